"""Fixtures that several groups of tests share."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.state import instance_name
from tests import traces
from tests.live import Gateway, serving

SETTLE_S = 60.0
"""More than unconfined kernels of other tests leave sleeping (30 s), which this worker adopts; a leak sleeps longer."""
TOGETHER = ("api", "contract", "levels", "notebooks")
"""Directories whose tests share gateways: one worker runs them all, so that no gateway is started twice."""


def pytest_collection_finish() -> None:
    """Keep the thousands of tests out of the collector's sight: several tests have it go through all there is."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the marks in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests one worker runs, where there are several (see pytest-xdist, --dist loadgroup)."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group_of(item)))


def _group_of(item: pytest.Item) -> str:
    """The file of a test, its directory where that has one gateway, and the gateway under attack."""
    path = item.path.relative_to(Path(__file__).parent)
    parameters = getattr(item, "callspec", None)
    if parameters is not None and "attacked" in parameters.params:
        return f"attacked-{parameters.params['attacked']}"
    return path.parts[0] if path.parts[0] in TOGETHER else str(path)


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """One real gateway for the whole session; when it has ended, nothing of it may be left on the machine."""
    traces.adopt_orphans()
    before = traces.take()
    with serving() as running:
        yield running
    assert_nothing_left(before, instance_name(running.state_dir))


def assert_nothing_left(before: traces.Traces, instance: str = "*") -> None:
    """Whatever is here beyond *before* a few seconds after the end of the gateway *instance* is a leak."""
    deadline = time.monotonic() + SETTLE_S
    while left := traces.take(instance).beyond(before):
        assert time.monotonic() < deadline, "left behind:\n" + "\n".join(left)
        traces.reap_adopted()
        time.sleep(0.05)  # Linux takes down namespaces in its own time

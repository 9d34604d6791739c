"""Fixtures that several groups of tests share."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import pytest

from gateway.state import instance_name
from tests import traces
from tests.contract.models import process
from tests.live import Gateway, serving

SETTLE_S = 60.0
"""More than unconfined kernels of other tests leave sleeping (30 s), which this worker adopts; a leak sleeps longer."""


def pytest_collection_finish() -> None:
    """Keep the thousands of tests out of the collector's sight: several tests have it go through all there is."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Who shares the tests out among several workers."""
    from tests.groups import Groups  # here: one process alone has nothing to share out

    return Groups(config, log)


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """One real gateway for the whole session; when it has ended, nothing of it may be left on the machine."""
    traces.adopt_orphans()
    before = traces.take()
    with serving() as running:
        yield running
    assert_nothing_left(before, instance_name(running.state_dir))


@pytest.fixture(scope="session")
def models() -> Iterator[process.Models]:
    """Models that say what a test tells them to."""
    with process.running() as served:
        yield served


def assert_nothing_left(before: traces.Traces, instance: str = "*") -> None:
    """Whatever is here beyond *before* a few seconds after the end of the gateway *instance* is a leak."""
    deadline = time.monotonic() + SETTLE_S
    while left := traces.take(instance).beyond(before):
        assert time.monotonic() < deadline, "left behind:\n" + "\n".join(left)
        traces.reap_adopted()
        time.sleep(0.05)  # Linux takes down namespaces in its own time

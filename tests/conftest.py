"""Fixtures that several groups of tests share."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from gateway.state import instance_name
from tests import traces
from tests.live import Gateway, serving

SETTLE_S = 5.0


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

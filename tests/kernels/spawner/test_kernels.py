"""Kernels as a real spawner drives them: one report each, and nothing left, whatever happens on the way."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from kernels import contract
from kernels.contract import PACKET_BYTES, Exited, Interrupt, Kill, Refused, Renewed, Started
from tests.kernels.spawner import harness
from tests.kernels.spawner.harness import Spawner

pytestmark = [pytest.mark.process, pytest.mark.sandbox]


@pytest.fixture(scope="module", params=["L3", "L1"])
def spawner(request: pytest.FixtureRequest) -> Iterator[Spawner]:
    """One that gives each kernel a pid namespace, where that is possible, and one that does not."""
    with harness.spawner(at_most=request.param) as made:
        yield made


def test_a_kill_in_the_middle_of_a_start_is_answered_once(spawner: Spawner) -> None:
    """However far the start has come: Refused before it ran, Exited after."""
    spawner.end(spawner.start())
    opened = spawner.settled_descriptors()
    asked = [spawner.ask() for _ in range(6)]
    for kernel_id in asked:
        contract.send(spawner.control, Interrupt(kernel_id))
        contract.send(spawner.control, Kill(kernel_id))
    started: set[str] = set()
    ended: list[str] = []
    while len(ended) < len(asked):
        report = spawner.hears_any()
        assert isinstance(report, Started | Exited | Refused)
        assert report.kernel_id not in ended
        if isinstance(report, Started):
            started.add(report.kernel_id)
            continue
        assert isinstance(report, Exited) == (report.kernel_id in started)
        ended.append(report.kernel_id)
    assert sorted(ended) == sorted(asked)
    assert spawner.settled_descriptors() == opened, "the next answer was that of this question: no report was left"


def test_a_kernel_that_ends_by_itself_is_told_with_its_status(spawner: Spawner) -> None:
    """And a kill that comes too late for it is answered, too."""
    kernel_id = spawner.ask()
    os.kill(spawner.hears(Started).pid, signal.SIGTERM)
    ended = spawner.hears(Exited)
    assert (ended.kernel_id, ended.signal, ended.code, ended.asked) == (kernel_id, signal.SIGTERM, 0, False)
    contract.send(spawner.control, Kill(kernel_id))
    assert spawner.hears(Refused).reason == "there is no kernel with this id"


def test_the_end_of_a_zygote_costs_no_kernel(spawner: Spawner) -> None:
    """The next one forks what it owed; what it forked before lives on, and its end is told with the right status."""
    spawner.end(spawner.start())
    opened = spawner.settled_descriptors()
    older = spawner.start()
    (zygote,) = spawner.children("kernels.zygote")
    os.kill(zygote, signal.SIGSTOP)
    owed = {spawner.ask() for _ in range(3)}
    given_up = owed.pop()
    contract.send(spawner.control, Kill(given_up))
    assert spawner.hears(Refused) == Refused(given_up, "start", "the kernel exited before it was started")
    os.kill(zygote, signal.SIGKILL)
    spawner.hears(Renewed)
    assert {spawner.hears(Started).kernel_id for _ in owed} == owed
    contract.send(spawner.control, Kill(older))
    ended = spawner.hears(Exited)
    assert (ended.kernel_id, ended.signal, ended.asked) == (older, signal.SIGKILL, True)
    for kernel_id in owed:
        spawner.end(kernel_id)
    assert spawner.settled_descriptors() == opened


def test_a_start_whose_last_word_would_be_too_long_is_refused(spawner: Spawner) -> None:
    """A packet may hold text that takes more room when the spawner writes it again: no kernel ends of it but that one."""
    neighbour, kernel_id = spawner.start(), "0123456789abcdef"
    body = {
        "kind": "Spawn",
        "kernel_id": kernel_id,
        "language": "python",
        "key": "k",
        "env": {"A": "é" * (PACKET_BYTES // 3)},
    }
    spawner.send(kernel_id, json.dumps(body, ensure_ascii=False).encode())
    refused = spawner.hears(Refused)
    assert (refused.kernel_id, refused.step) == (kernel_id, "request")
    assert refused.reason.endswith(f"bytes is over {PACKET_BYTES}")
    spawner.end(neighbour)


@pytest.mark.skipif(os.geteuid() != 0, reason="kernels have uids of their own only where root starts the spawner")
def test_a_kernel_without_a_uid_is_refused() -> None:
    """When every uid of the range is in use; the others live on, and a uid that is given back is used again."""
    with harness.spawner(uid_count=1) as spawner:
        first = spawner.start()
        second = spawner.ask()
        assert spawner.hears(Refused) == Refused(second, "uid", "every uid of the range is in use")
        spawner.end(first)
        spawner.end(spawner.start())

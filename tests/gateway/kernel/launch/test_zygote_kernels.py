"""The table of a spawner's kernels: each start is answered once, each death told once, and sockets go with the kernel."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Unavailable
from gateway.core.model import Death
from gateway.kernel.launch.launcher import ConnectionInfo
from gateway.kernel.launch.zygote_kernels import ZygoteKernel, ZygoteKernels
from kernels.contract import Exited, Interrupt, Kill, Packet, Refused, Started

EXITED = Exited("k", 3, 0, out_of_memory=False, asked=False, peak_bytes=5, cpu_s=0.5)
REFUSED = Refused("k", "seccomp", "no")


def kernel(directory: Path | str = "/nonexistent/kernel", sent: list[Packet] | None = None) -> ZygoteKernel:
    """One that notes what is asked of its spawner."""
    kept: list[Packet] = [] if sent is None else sent
    death: asyncio.Future[Death] = asyncio.get_running_loop().create_future()
    return ZygoteKernel("k", ConnectionInfo(str(directory), "key"), kept.append, death)


def tell(table: ZygoteKernels, event: str) -> None:
    """Let *event* come from the spawner."""
    match event:
        case "started":
            table.started(Started("k", 7))
        case "refused":
            table.refused(REFUSED)
        case "exited":
            table.exited(EXITED)
        case "lost":
            table.lose_all()


@pytest.mark.parametrize(
    ("event", "reason", "death"),
    [
        ("refused", "a kernel was refused at seccomp: no", Death(0, 0, out_of_memory=False, asked=True)),
        ("exited", "a kernel died while it was started", Death(3, 0, False, False, 5, 0.5)),
        ("lost", "a kernel died while it was started", Death(0, 9, out_of_memory=False, asked=False)),
    ],
)
async def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path, event: str, reason: str, death: Death) -> None:
    """Nor does the table keep the kernel."""
    (directory := tmp_path / "sockets").mkdir()
    table, one = ZygoteKernels(), kernel(directory)
    started = table.begin(one)
    assert one in table
    tell(table, event)
    with pytest.raises(Unavailable, match=reason):
        await started
    assert (await one.wait(), one in table, directory.exists()) == (death, False, False)


async def test_a_kernel_that_has_started_lives_until_its_end_is_told(tmp_path: Path) -> None:
    """Asking it for anything goes to the spawner, and nothing does once it is dead."""
    (directory := tmp_path / "sockets").mkdir()
    sent: list[Packet] = []
    table, one = ZygoteKernels(), kernel(directory, sent)
    started = table.begin(one)
    tell(table, "started")
    assert (await started).pid == 7
    await one.interrupt()
    killing = asyncio.create_task(one.kill())
    await asyncio.sleep(0)
    assert (sent, killing.done(), directory.exists()) == ([Interrupt("k"), Kill("k")], False, True)
    tell(table, "exited")
    assert (await killing).code == 3
    await one.interrupt()
    assert (await one.kill()).code == 3
    assert (len(sent), directory.exists()) == (2, False)


async def test_packets_about_other_kernels_change_nothing() -> None:
    """A spawner may still tell of kernels that were given up."""
    table, one = ZygoteKernels(), kernel()
    started = table.begin(one)
    table.started(Started("other", 1))
    table.refused(Refused("other", "request", "no"))
    table.exited(Exited("other", 0, 9, out_of_memory=False, asked=True))
    assert one in table
    assert not started.done()


EVENTS = ["started", "refused", "exited", "lost", "given up", "cancelled"]


@given(st.lists(st.sampled_from(EVENTS), max_size=8))
async def test_in_any_order_each_start_is_answered_once_and_each_death_told_once(events: list[str]) -> None:
    """Whatever the spawner says twice, too late, or after its end."""
    table, one = ZygoteKernels(), kernel()
    started = table.begin(one)
    waits, is_dead, answer = True, False, ""
    for event in events:
        match event:
            case "given up":
                table.stop_waiting(one)
                waits = False
            case "cancelled":
                started.cancel()
            case _:
                if waits and not is_dead and not started.done():
                    answer = event
                waits = False
                is_dead |= event != "started"
                tell(table, event)
        assert one.death.done() == is_dead
        assert (one in table) == (not is_dead)
    if answer == "started":
        assert started.result().pid == 7
    elif answer:
        assert isinstance(started.exception(), Unavailable)
    else:
        assert started.cancelled() or not started.done()

"""Waiting for libzmq's thread, on a made-up /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernels.serving.libzmq_thread import BLIND_S, PATIENCE_S, POLL_S, LibzmqThread


class World:
    """A thread whose state changes with each sleep."""

    def __init__(self, tasks: Path, states: str) -> None:
        self.tasks, self.states, self.slept = tasks, list(states), [0.0]
        (tasks / "7").mkdir()
        (tasks / "8").mkdir()
        (tasks / "7" / "stat").write_text("7 (python) R 1 1")
        self.next_state()

    def next_state(self) -> None:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        (self.tasks / "8" / "stat").write_text(f"8 (ZMQbg/IO/0) {state} 1 1")

    def sleep(self, wait_s: float) -> None:
        self.slept.append(wait_s)
        self.next_state()


@pytest.mark.parametrize(("states", "sleeps"), [("S", 0), ("RS", 1), ("RRDS", 3)])
def test_it_waits_until_the_thread_sleeps_again(tmp_path: Path, states: str, sleeps: int) -> None:
    """No longer than needed, and not at all when all is written."""
    world = World(tmp_path, states)
    LibzmqThread(str(tmp_path), world.sleep).wait()
    assert world.slept[1:] == [POLL_S] * sleeps


def test_it_gives_up_on_a_thread_that_stays_busy(tmp_path: Path) -> None:
    """A gateway that reads slowly must not hang a print."""
    world = World(tmp_path, "R")
    LibzmqThread(str(tmp_path), world.sleep).wait()
    assert sum(world.slept) == pytest.approx(PATIENCE_S)


def test_without_a_proc_a_short_wait_has_to_do(tmp_path: Path) -> None:
    """Level L2 has an empty /proc."""
    slept: list[float] = []
    LibzmqThread(str(tmp_path / "absent"), slept.append).wait()
    LibzmqThread(str(tmp_path), slept.append).wait()
    assert slept == [BLIND_S, BLIND_S]

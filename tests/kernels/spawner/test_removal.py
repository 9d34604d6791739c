"""Control groups are removed by a process beside the spawner, whatever becomes of that process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kernels.sandbox import sysc
from kernels.sandbox.cgroup import KernelCgroup
from kernels.sandbox.cgroup_v1 import GroupV1
from kernels.spawner.loop import Loop
from kernels.spawner.removal import Removal

pytestmark = pytest.mark.process


@pytest.fixture
def made(tmp_path: Path) -> list[KernelCgroup]:
    """Groups on a fake tree: empty directories."""
    places = [tmp_path / str(at) for at in range(3)]
    for place in places:
        place.mkdir()
    return [KernelCgroup(place.name, GroupV1({"memory": place, "pids": place})) for place in places]


def run_until(loop: Loop, is_so: Callable[[], bool]) -> None:
    """Serve the loop until it is so."""

    def look() -> None:
        if is_so():
            loop.stop()
        loop.call_later(0.01, look)

    look()
    loop.run()


def test_groups_are_removed_and_the_process_is_known_and_reaped(made: list[KernelCgroup], tmp_path: Path) -> None:
    """Those handed over while it is at work come next; then no process and no descriptor is left."""
    loop = Loop()
    before = os.listdir("/proc/self/fd")
    removing = Removal(loop)
    for cgroup in made:
        removing.remove(cgroup)
    (first,) = removing.pids()
    run_until(loop, lambda: not list(tmp_path.iterdir()) and not removing.pids())
    with pytest.raises(ChildProcessError):
        os.waitpid(first, os.WNOHANG)
    assert os.listdir("/proc/self/fd") == before


def test_many_groups_share_a_process(made: list[KernelCgroup], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is removed at once, the others together after a pause."""
    loop, forks, honest = Loop(), [], os.fork

    def fork() -> int:
        forks.append(1)
        return honest()

    monkeypatch.setattr(os, "fork", fork)
    removing = Removal(loop)
    for cgroup in made:
        removing.remove(cgroup)
    run_until(loop, lambda: not any(_is_there(cgroup) for cgroup in made) and not removing.pids())
    assert len(forks) == 2


def test_without_a_process_the_spawner_removes_them_itself(
    made: list[KernelCgroup], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As when the machine has no room for one."""

    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refuse)
    removing = Removal(Loop())
    for cgroup in made:
        removing.remove(cgroup)
    assert list(tmp_path.iterdir()) == []
    assert removing.pids() == set()


def test_a_process_that_is_killed_holds_up_no_other(made: list[KernelCgroup], monkeypatch: pytest.MonkeyPatch) -> None:
    """What it left is for the sweep at the spawner's end."""
    monkeypatch.setattr(sysc, "set_death_signal", lambda number: os.kill(os.getpid(), number))
    loop = Loop()
    removing = Removal(loop)
    removing.remove(made[0])
    run_until(loop, lambda: not removing.pids())
    monkeypatch.undo()
    removing.remove(made[1])
    run_until(loop, lambda: not _is_there(made[1]))
    assert _is_there(made[0])


def test_a_kernel_without_a_group_needs_none() -> None:
    """Where there are no control groups."""
    removing = Removal(Loop())
    removing.remove(KernelCgroup("k", None))
    assert removing.pids() == set()


def _is_there(cgroup: KernelCgroup) -> bool:
    assert isinstance(cgroup.group, GroupV1)
    return cgroup.group.places["memory"].exists()

"""Who is ended when epoll watches no more for a uid, which is imitated, and when the machine is full of locks."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from kernels.contract import MIB, Policy
from kernels.sandbox import sysc
from kernels.spawner import locks, watchdog
from kernels.spawner.locks import LockWatch
from kernels.spawner.loop import Loop
from kernels.spawner.watchdog import Excess, Watchdog, Watched, has_watches_left

ALLOWED = 1_000_000


def open_many() -> None:
    """As many descriptors as a hoarder needs."""
    for _ in range(400):
        os.eventfd(0)


def open_many_in_a_child() -> None:
    """The same, below the kernel's first process."""
    if os.fork() == 0:
        open_many()
        _sleep()
    _sleep()


def open_many_in_a_thread() -> None:
    """The same, in a table of descriptors that is one thread's alone."""

    def apart() -> None:
        sysc.unshare(0x400)  # CLONE_FILES
        open_many()
        time.sleep(60)

    threading.Thread(target=apart, daemon=True).start()


def _sleep() -> None:
    sysc.set_death_signal(signal.SIGKILL)
    time.sleep(60)
    os._exit(0)


@contextmanager
def kernel(act: Callable[[], object] = lambda: None) -> Iterator[Watched]:
    """A process that stands for a kernel, once it has done *act*."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(tell, b"x")
        act()
        _sleep()
    os.close(tell)
    os.read(told, 1)
    os.close(told)
    time.sleep(0.1)
    try:
        yield Watched((pid,), Policy(), os.geteuid(), is_bounded=True)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def ended_of(kernels: dict[str, Watched], *, looks: int = 1, has_left: bool = False) -> list[tuple[str, Excess]]:
    """Who is ended within so many looks."""
    ended: list[tuple[str, Excess]] = []

    def end(kernel_id: str, excess: Excess) -> None:
        ended.append((kernel_id, excess))

    dog = Watchdog(Loop(), end, lambda: None, lambda: has_left)
    dog.watched = dict(kernels)
    for _ in range(looks):
        dog._look()
    return ended


@pytest.fixture(autouse=True)
def _a_small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_watches_allowed", lambda: ALLOWED)


@pytest.mark.parametrize("act", (open_many, open_many_in_a_child, open_many_in_a_thread))
def test_the_one_that_can_have_the_most_is_ended_and_no_other(act: Callable[[], object]) -> None:
    """Once: what it had comes back when it has ended, not before."""
    with ExitStack() as stack:
        kernels = {name: stack.enter_context(kernel()) for name in ("a", "z")}
        kernels["m"] = stack.enter_context(kernel(act))
        assert ended_of(kernels, looks=3) == [("m", Excess.WATCHES)]


def test_nobody_is_ended_while_there_is_room() -> None:
    """Many descriptors alone are no harm."""
    with kernel(open_many) as hoarder:
        assert ended_of({"m": hoarder}, looks=3, has_left=True) == []


def test_nobody_is_ended_who_can_have_little() -> None:
    """Then something beside the kernels has used it up."""
    with kernel() as one, kernel() as other:
        assert ended_of({"a": one, "b": other}) == []


def test_here_is_room() -> None:
    """And asking leaves no descriptor."""
    before = os.listdir("/proc/self/fd")
    assert has_watches_left()
    assert os.listdir("/proc/self/fd") == before


LISTED = """\
1: POSIX  ADVISORY  WRITE 70 fe:00:2181481 128 128
2: FLOCK  ADVISORY  WRITE 70 fe:00:2181453 0 EOF
3: OFDLCK ADVISORY  READ -1 00:06:1 0 EOF
4: POSIX  ADVISORY  READ 71 00:3a:5 1073741826 1073742335
4: -> POSIX  ADVISORY  WRITE 70 00:3a:5 0 EOF
5: LEASE  ACTIVE    READ 72 fe:00:1 0 EOF
6: POSIX  ADVISORY  WR
"""


def test_locks_are_counted_by_who_holds_or_wants_them() -> None:
    """Those on ranges alone; a line that was cut off counts for nobody."""
    assert locks.counted(LISTED.splitlines()) == {70: 2, 71: 1}


def test_locks_are_looked_at_when_linux_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since it was smallest, and then since the last look."""
    sizes = iter((500, 400, 463, 464, 470, 527, 528, 300, 364))
    monkeypatch.setattr(locks, "_own_memory_bytes", lambda: next(sizes) * MIB)
    watch = LockWatch()
    assert [watch.is_due() for _ in range(9)] == [False, False, False, True, False, False, True, False, True]


def lock(ranges: int) -> None:
    """Hold so many locks on one file."""
    fd = os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR)
    for at in range(ranges, 0, -1):
        fcntl.fcntl(fd, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 2 * at, 1, 0))


def lock_in_children() -> None:
    """Too many, of which each process has a few."""
    for _ in range(3):
        if os.fork() == 0:
            lock(locks.MOST // 2)
            _sleep()


@pytest.mark.thorough
@pytest.mark.parametrize("act", (lambda: lock(locks.MOST + 1), lock_in_children), ids=("one", "children"))
def test_a_kernel_with_too_many_locks_is_ended_and_no_other(
    act: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its processes holds them."""
    monkeypatch.setattr(LockWatch, "is_due", lambda _self: True)
    with kernel(act) as locker, kernel(lambda: lock(locks.MOST)) as other:
        time.sleep(0.3)
        assert ended_of({"m": locker, "z": other}, has_left=True) == [("m", Excess.LOCKS)]

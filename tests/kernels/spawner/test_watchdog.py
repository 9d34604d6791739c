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
from dataclasses import dataclass
from pathlib import Path

import pytest

from kernels.contract import MIB, Policy
from kernels.sandbox import sysc
from kernels.spawner import locks, watchdog
from kernels.spawner.locks import LockWatch
from kernels.spawner.loop import Loop
from kernels.spawner.watchdog import Excess, Watchdog, Watched, has_watches_left

ALLOWED = 1_000_000
_real_open = os.open


Ready = Callable[[], object]
Act = Callable[[Ready], object]
"""What a process does; it says when it is done, and so does each that it starts."""


def open_many(ready: Ready) -> None:
    """As many descriptors as a hoarder needs."""
    for _ in range(400):
        os.eventfd(0)
    ready()


def open_many_in_a_child(ready: Ready) -> None:
    """The same, below the kernel's first process."""
    if os.fork() == 0:
        open_many(ready)
        _sleep()


def open_many_in_a_thread(ready: Ready) -> None:
    """The same, in a table of descriptors that is one thread's alone."""

    def apart() -> None:
        sysc.unshare(0x400)  # CLONE_FILES
        open_many(ready)
        time.sleep(1000)

    threading.Thread(target=apart, daemon=True).start()


def _sleep() -> None:
    sysc.set_death_signal(signal.SIGKILL)
    time.sleep(1000)
    os._exit(0)


@contextmanager
def kernel(act: Act = lambda ready: ready(), processes: int = 1) -> Iterator[Watched]:
    """A process that stands for a kernel, once so many of its processes have done *act*."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        act(lambda: os.write(tell, b"x"))
        _sleep()
    os.close(tell)
    for _ in range(processes):
        assert os.read(told, 1)
    os.close(told)
    try:
        yield Watched((pid,), Policy(), os.geteuid(), is_bounded=True)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def watchdog_of(kernels: dict[str, Watched], *, has_left: bool = False) -> tuple[Watchdog, list[tuple[str, Excess]]]:
    """A watchdog of these kernels, and the list of whom it ends."""
    ended: list[tuple[str, Excess]] = []

    def end(kernel_id: str, excess: Excess) -> None:
        ended.append((kernel_id, excess))

    dog = Watchdog(Loop(), end, lambda: None, lambda: has_left)
    dog.watched = dict(kernels)
    return dog, ended


def ended_of(kernels: dict[str, Watched], *, looks: int = 1, has_left: bool = False) -> list[tuple[str, Excess]]:
    """Who is ended within so many looks."""
    dog, ended = watchdog_of(kernels, has_left=has_left)
    for _ in range(looks):
        dog._look()
    return ended


@dataclass
class Clock:
    """What stands for the time in the watchdog."""

    now: float = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that a test sets."""
    made = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    return made


@pytest.fixture(autouse=True)
def _a_small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_watches_allowed", lambda: ALLOWED)


@pytest.mark.parametrize("act", (open_many, open_many_in_a_child, open_many_in_a_thread))
def test_the_one_that_can_have_the_most_is_ended_and_no_other(act: Act) -> None:
    """Once: what it had comes back when it has ended, not before."""
    with ExitStack() as stack:
        kernels = {name: stack.enter_context(kernel()) for name in ("a", "z")}
        kernels["m"] = stack.enter_context(kernel(act))
        assert ended_of(kernels, looks=3) == [("m", Excess.WATCHES)]


def test_nobody_else_is_ended_while_the_last_one_is_still_ending(clock: Clock) -> None:
    """However long a slow machine takes: what it had is not free before. One that never ends holds nobody up for ever."""
    with ExitStack() as stack:
        kernels = {name: stack.enter_context(kernel(open_many)) for name in ("a", "z")}
        dog, ended = watchdog_of(kernels)
        dog._look()
        first = ended[0][0]
        dog.forget(first)
        clock.now += watchdog.AFTERMATH_S + 1
        dog._look()
        assert [who for who, _ in ended] == [first]
        clock.now += watchdog._DYING_S
        dog._look()
        dog._look()
        assert [who for who, _ in ended] == [first, *({"a", "z"} - {first})]


def test_the_next_one_is_ended_when_the_last_one_has_gone_and_nothing_came_back(clock: Clock) -> None:
    """Once Linux has had time to give back what it had."""
    with kernel(open_many) as other:
        with kernel(open_many_in_a_thread) as one:
            dog, ended = watchdog_of({"one": one})
            dog._look()
            dog.forget("one")
        dog.watched["other"] = other
        clock.now += watchdog.AFTERMATH_S - 1
        dog._look()
        assert ended == [("one", Excess.WATCHES)]
        clock.now += 2
        dog._look()
        assert ended == [("one", Excess.WATCHES), ("other", Excess.WATCHES)]


def test_no_kernel_is_left_to_blame() -> None:
    """The last one has just gone, and what it had has not come back."""
    assert ended_of({}, looks=2) == []


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
6: POSIX  ADVISORY  READ 71 00:3a:5 1073741826 1073742335
7: POSIX  ADVISORY  WR
"""


def test_locks_are_counted_by_who_holds_or_wants_them() -> None:
    """Those on ranges alone; one told twice counts once, a line that was cut off for nobody."""
    assert locks.counted(LISTED.splitlines()) == {70: 2, 71: 1}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose numbers a test sets."""
    made = Machine()
    monkeypatch.setattr(locks, "_own_memory_bytes", lambda: made.own_bytes)
    monkeypatch.setattr(locks, "_are_few", lambda: made.are_few)
    return made


@dataclass
class Machine:
    """What Linux tells of itself."""

    own_bytes: int = 500 * MIB
    are_few: bool = False


def test_locks_are_looked_at_however_slowly_they_are_taken(machine: Machine) -> None:
    """At an interval, though Linux's own memory has not grown at all."""
    watch = LockWatch()
    assert [watch.is_due(tenth / 10) for tenth in range(41)] == [tenth % 20 == 0 for tenth in range(41)]


def test_locks_are_not_looked_at_while_all_together_are_few(machine: Machine) -> None:
    """So that kernels that do nothing cost nothing; then they are soon."""
    watch, machine.are_few = LockWatch(), True
    assert not any(watch.is_due(tenth / 10) for tenth in range(200))
    machine.are_few = False
    assert any(watch.is_due(20 + tenth / 10) for tenth in range(21))


def test_locks_are_looked_at_at_once_when_linux_has_grown(machine: Machine) -> None:
    """Since it was smallest, and then since the last time; also when it is not time yet."""
    watch = LockWatch(next_at=1e9)
    seen = []
    for size in (500, 400, 463, 464, 470, 527, 528, 300, 364):
        machine.own_bytes = size * MIB
        seen.append(watch.is_due(0))
    assert seen == [False, False, False, True, False, False, True, False, True]


def test_many_locks_do_not_take_the_spawners_time(machine: Machine) -> None:
    """The longer a look takes, the later the next one."""
    watch = LockWatch()
    watch.note(10.01, 0.01)
    assert [watch.is_due(now) for now in (12, 12.02)] == [False, True]
    watch.note(14, 1)
    assert [watch.is_due(now) for now in (33.9, 34)] == [False, True]


def test_few_locks_are_few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Linux tells the number first, then for each part of the memory; what is not told is not taken for few."""
    told = tmp_path / "objects"
    monkeypatch.setattr(locks, "_COUNT", str(told))
    assert not locks._are_few()
    for text, are_few in (("4096 N0=4096\n", True), ("4097 N0=97 N1=4000\n", False), ("", False), ("?\n", False)):
        told.write_text(text)
        assert locks._are_few() is are_few, text


@pytest.mark.parametrize(
    ("held", "ended"),
    [
        ({}, []),
        ({"a": 4096, "b": 4096, "c": 4096, "d": 4096}, []),
        ({"a": 4097, "b": 3}, ["a"]),
        ({"a": 5000, "b": 4096, "c": 6000, "d": 0}, ["c", "a"]),
        ({"a": 4000, "b": 4001, "c": 4002, "d": 4003, "e": 3, "f": 400}, ["d"]),
        ({**{str(at): 300 for at in range(60)}, "small": 290}, [str(at) for at in range(7)]),
    ],
)
def test_who_has_too_many_locks_is_ended_and_then_who_has_the_most(held: dict[str, int], ended: list[str]) -> None:
    """Until what the rest has together can be looked at within a moment."""
    assert locks.to_end(held) == ended


def test_a_list_of_locks_that_is_too_long_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was read is enough to know who has the most; a Linux without such a list has no locks."""
    listed = tmp_path / "locks"
    monkeypatch.setattr(os, "open", lambda path, flags: _real_open(listed if path == "/proc/locks" else path, flags))
    assert locks.holders() == {}
    line = "{0}: POSIX  ADVISORY  WRITE 70 00:3a:5 {0} 9223372036854775807\n"
    listed.write_text("".join(line.format(at) for at in range(100_000)))
    read = locks.holders()[70]
    assert locks.ALL + locks._OTHERS < read < 30_000


def lock(ranges: int, ready: Ready) -> None:
    """Hold so many locks on one file."""
    fd = os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR)
    for at in range(ranges, 0, -1):
        fcntl.fcntl(fd, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 2 * at, 1, 0))
    ready()


def lock_in_children(ready: Ready) -> None:
    """Too many, of which each process has a few."""
    for _ in range(3):
        if os.fork() == 0:
            lock(locks.MOST // 2, ready)
            _sleep()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("act", "processes"),
    [(lambda ready: lock(locks.MOST + 1, ready), 1), (lock_in_children, 3)],
    ids=("one", "children"),
)
def test_a_kernel_with_too_many_locks_is_ended_and_no_other(act: Act, processes: int) -> None:
    """Whichever of its processes holds them, and at the first look of a watchdog that has not seen Linux grow."""
    with kernel(act, processes) as locker, kernel(lambda ready: lock(locks.MOST, ready)) as other:
        assert ended_of({"m": locker, "z": other}, has_left=True) == [("m", Excess.LOCKS)]


def test_what_a_guest_is_counts_for_its_place_until_it_is_reaped(tmp_path: Path) -> None:
    """It is below no process of the place's kernel; and once it is reaped, its pid may be another's."""
    with kernel() as owner, kernel() as guest:
        owner.policy, owner.is_bounded, owner.work_dir = Policy(processes=1), False, str(tmp_path)
        dog, ended = watchdog_of({"owner": owner}, has_left=True)
        look_at(dog)
        assert not ended
        dog.join("owner", guest.roots[0])
        dog.join("nobody", guest.roots[0])
        look_at(dog)
        assert ended == [("owner", Excess.PROCESSES)]
        ended.clear()
        dog.leave("owner", guest.roots[0])
        look_at(dog)
        assert (ended, len(owner.roots)) == ([], 1)


def test_the_files_of_a_held_place_count_without_its_process(tmp_path: Path) -> None:
    """They are found by what is open, not through a process that may have ended."""
    folder = os.open(tmp_path, os.O_PATH)
    with kernel() as owner:
        dog, _ = watchdog_of({"owner": owner})
        dog.hold("owner", (folder,))
        owner.roots = (2**22 + 1,)
        found = os.fstatvfs(folder)
        assert watchdog._file_bytes(owner) == pytest.approx((found.f_blocks - found.f_bfree) * found.f_frsize, rel=0.5)
    os.close(folder)


def look_at(dog: Watchdog) -> None:
    """Two looks: an excess has to be found twice."""
    for _ in range(2):
        dog._look()

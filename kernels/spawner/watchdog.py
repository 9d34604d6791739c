"""Limits all processes of a kernel together where no control group does; control groups never count file locks.

Every process of each kernel is looked at ten times a second. First what Linux counts anyway, which can only be too much:
what processes share counts for each of them. Only when that is above the limit, the exact share of each is asked for,
which takes time in proportion to its memory. Page tables count too: they grow also where nothing but zeros is read. A
kernel found above a limit twice in a row is ended; twice, because a process and the child that is about to execute a
program are one memory for a moment and would count double.

Where kernels share one uid, what they have epoll watch is counted together, with the gateway's own. Nothing tells how much a
process has of it, so that only when nothing is left the kernel that can have the most of it is ended.

Between two looks a kernel can take what it can write in that time: some hundred megabytes beyond the limit. What
Linux itself holds for a kernel beside that (data waiting in sockets and pipes) is not seen.
"""

from __future__ import annotations

import errno
import math
import os
import select
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from kernels.contract import Policy
from kernels.sandbox import sysc
from kernels.sandbox.cgroup import OVERHEAD_BYTES
from kernels.spawner import locks
from kernels.spawner.identity import answer_as
from kernels.spawner.locks import LockWatch
from kernels.spawner.loop import Loop
from kernels.spawner.tree import descendants
from kernels.spawner.workplace import used

INTERVAL_S: Final = 0.1
CONFIRM_S: Final = 0.02
EXACT_S: Final = 0.4
"""Time between two exact measurements of a kernel that is well below its limit."""
WELL_BELOW: Final = 0.7
FILES_S: Final = 1.0
AFTERMATH_S: Final = 5.0
"""The time in which Linux releases a kernel's resources after its processes have ended..."""
_DYING_S: Final = 60.0
"""... and in which these end, on the slowest machine. If they take longer, another kernel is killed, too."""
_PART: Final = 16
"""A kernel with less than this fraction of all watches is not killed when none is left."""
_MOUNTS: Final = ("work", "tmp", "dev/shm")
_TABLES: Final = ("VmPTE",)
_RESIDENT: Final = ("RssAnon", "RssShmem", "VmSwap", *_TABLES)
_SHARES: Final = ("Pss_Anon", "Pss_Shmem", "SwapPss")
_KIB: Final = 1024


class Excess(Enum):
    """The resource of which a kernel has too much."""

    MEMORY = "memory"
    PROCESSES = "processes"
    FILES = "files"
    WATCHES = "watched descriptors"
    LOCKS = "locks on files"


@dataclass(slots=True)
class Watched:
    """One watched kernel: its first processes and those of its guests, and the last measurements.

    *work_dir* is its directory on the host, "" where it works in file systems of its own. *is_bounded*: a control group
    keeps its memory and processes, so that only its files are looked at.
    """

    roots: tuple[int, ...]
    policy: Policy
    uid: int
    work_dir: str = ""
    is_bounded: bool = False
    folders: tuple[int, ...] = ()
    """Its memory file systems, open, if its place is held: the process through which they are found may end before."""
    peak_bytes: int = 0
    excess: Excess | None = None
    is_confirmed: bool = False
    next_exact: float = 0.0
    next_files: float = 0.0

    @property
    def limit_bytes(self) -> int:
        """The same limit as a control group would have."""
        return self.policy.memory_bytes + OVERHEAD_BYTES

    def look(self, now: float) -> None:
        """Record which resource is above its limit, and whether it was at the last look, too."""
        found = self._find(now)
        self.is_confirmed = found is not None and found is self.excess
        self.excess = found

    def _find(self, now: float) -> Excess | None:
        if self.work_dir and (now >= self.next_files or self.excess is Excess.FILES):
            self.next_files = now + FILES_S
            if _has_too_many_files(self):
                return Excess.FILES
        if self.is_bounded:
            return None
        threads = descendants(self.roots)
        if sum(threads.values()) > self.policy.processes:
            return Excess.PROCESSES
        return Excess.MEMORY if self._uses_too_much(threads, now) else None

    def _uses_too_much(self, pids: Iterable[int], now: float) -> bool:
        in_files = _file_bytes(self)
        at_most = in_files + _sum_of_status(pids, _RESIDENT)
        if at_most <= self.limit_bytes:
            self.peak_bytes = max(self.peak_bytes, at_most)
            return False
        if now < self.next_exact:
            return False
        exact = _exact_bytes(self.uid, pids) + _sum_of_status(pids, _TABLES) + in_files
        self.peak_bytes = max(self.peak_bytes, exact)
        self.next_exact = now + EXACT_S if exact < WELL_BELOW * self.limit_bytes else 0.0
        return exact > self.limit_bytes


@dataclass(slots=True)
class Watchdog:
    """Looks at every kernel from watch() to forget(). *end* ends one above a limit; *sweep* is called at each look.

    *has_watches_left* tells whether their uid may have epoll watch anything more; it is not asked where each has its own.
    """

    loop: Loop
    end: Callable[[str, Excess], None]
    sweep: Callable[[], None]
    has_watches_left: Callable[[], bool] = lambda: True
    watched: dict[str, Watched] = field(default_factory=dict)
    _locks: LockWatch = field(default_factory=LockWatch)
    _is_waiting: bool = False
    _hoarder: tuple[int, ...] = ()
    _hoarder_seen: float = -math.inf
    _hoarder_ended: float = -math.inf

    def watch(self, kernel_id: str, kernel: Watched) -> None:
        """Start to watch this kernel."""
        self.watched[kernel_id] = kernel
        self._wait(INTERVAL_S)

    def hold(self, kernel_id: str, folders: tuple[int, ...]) -> None:
        """Its place may outlive its process from now on; *folders* are its memory file systems."""
        if (kernel := self.watched.get(kernel_id)) is not None:
            kernel.folders = folders

    def join(self, kernel_id: str, pid: int) -> None:
        """Count this process and those below it for the kernel."""
        if (kernel := self.watched.get(kernel_id)) is not None:
            kernel.roots = (*kernel.roots, pid)

    def leave(self, kernel_id: str, pid: int) -> None:
        """This process has been reaped: its pid may be another's soon."""
        if (kernel := self.watched.get(kernel_id)) is not None and pid in kernel.roots:
            kernel.roots = tuple(root for root in kernel.roots if root != pid)

    def forget(self, kernel_id: str) -> Watched | None:
        """Stop watching it; returns the measurements."""
        return self.watched.pop(kernel_id, None)

    def _wait(self, delay_s: float) -> None:
        if not self._is_waiting and self.watched:
            self._is_waiting = True
            self.loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        self._is_waiting = False
        self.sweep()
        self._end_hoarder(time.monotonic())
        self._end_lockers(time.monotonic())
        is_in_doubt = False
        for kernel_id, kernel in list(self.watched.items()):
            kernel.look(time.monotonic())
            if kernel.excess and kernel.is_confirmed:
                self.end(kernel_id, kernel.excess)
            elif kernel.excess:
                is_in_doubt = True
        self._wait(CONFIRM_S if is_in_doubt else INTERVAL_S)

    def _end_hoarder(self, now: float) -> None:
        if not self.watched or self._is_ending_hoarder(now) or self.has_watches_left():
            return
        most, kernel_id = max((_most_watches(kernel), kernel_id) for kernel_id, kernel in self.watched.items())
        self._hoarder, self._hoarder_seen, self._hoarder_ended = (), now, now
        if most * _PART >= _watches_allowed():
            self._hoarder = self.watched[kernel_id].roots
            self.end(kernel_id, Excess.WATCHES)

    def _is_ending_hoarder(self, now: float) -> bool:
        """Whether the last killed kernel still holds its resources: no other one is killed for them in the meantime."""
        if now < self._hoarder_ended + _DYING_S and descendants(self._hoarder):
            self._hoarder_seen = now
        return now < self._hoarder_seen + AFTERMATH_S

    def _end_lockers(self, now: float) -> None:
        if not self._locks.is_due(now):
            return
        begun = time.thread_time()
        held = locks.holders()
        if held.total() > locks.MOST:
            by_kernel = {
                kernel_id: sum(held[pid] for pid in descendants(kernel.roots)) for kernel_id, kernel in self.watched.items()
            }
            for kernel_id in locks.to_end(by_kernel):
                self.end(kernel_id, Excess.LOCKS)
        self._locks.note(time.monotonic(), time.thread_time() - begun)


def has_watches_left() -> bool:
    """Whether this uid can still add one epoll watch."""
    watched = os.eventfd(0, os.EFD_CLOEXEC)
    try:
        with select.epoll() as poller:
            poller.register(watched, select.EPOLLIN)
    except OSError as error:
        return error.errno != errno.ENOSPC
    finally:
        os.close(watched)
    return True


def _watches_allowed() -> int:
    try:
        return int(sysc.read_whole("/proc/sys/fs/epoll/max_user_watches"))
    except (OSError, ValueError):
        return 0


def _most_watches(kernel: Watched) -> int:
    """The maximum number of its epoll watches: half of each descriptor table watches the other half."""
    tasks = ((pid, task) for pid in descendants(kernel.roots) for task in _tasks(pid))
    return sum((_number_of(f"/proc/{pid}/task/{task}/status", ("FDSize",)) // 2) ** 2 for pid, task in tasks)


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def _has_too_many_files(kernel: Watched) -> bool:
    policy = kernel.policy
    size_bytes, entries = used(kernel.work_dir, policy.inodes)
    return size_bytes > policy.work_bytes + policy.tmp_bytes + policy.shm_bytes or entries > policy.inodes


def _file_bytes(kernel: Watched) -> int:
    """The contents of its memory file systems; their maximum size if they cannot be read."""
    if kernel.work_dir:
        return 0
    total = 0
    for place in kernel.folders or [f"/proc/{kernel.roots[-1]}/root/{name}" for name in _MOUNTS]:
        try:
            found = os.statvfs(place)
            total += (found.f_blocks - found.f_bfree) * found.f_frsize
        except PermissionError:
            return kernel.policy.work_bytes + kernel.policy.tmp_bytes + kernel.policy.shm_bytes
        except OSError:
            continue
    return total


def _exact_bytes(uid: int, pids: Iterable[int]) -> int:
    """The sum of what each process uses alone and its share of what several use.

    Only a tracer may read it; a spawner that is none uses a short-lived child of the kernel's uid.
    """
    try:
        return _sum_of_shares(pids)
    except PermissionError:
        return int(answer_as(uid, lambda: str(_sum_of_shares(pids))) or 0)


def _sum_of_status(pids: Iterable[int], names: tuple[str, ...]) -> int:
    return sum(_number_of(f"/proc/{pid}/status", names) for pid in pids) * _KIB


def _sum_of_shares(pids: Iterable[int]) -> int:
    return sum(_number_of(f"/proc/{pid}/smaps_rollup", _SHARES) for pid in pids) * _KIB


def _number_of(path: str, names: tuple[str, ...]) -> int:
    """The sum of the lines *names* in a file of `name: number` or `name: number kB`; 0 if the process is gone."""
    try:
        lines = sysc.read_whole(path).splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    pairs = (line.partition(":")[::2] for line in lines)
    return sum(int(rest.split()[0]) for name, rest in pairs if name in names)

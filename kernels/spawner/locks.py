"""Counts the locks on ranges of files (fcntl) by process: Linux takes some 200 bytes for each, which no limit counts.

Linux lists all locks with their processes. If there are few, that takes 8 ms of waiting and next to no
processor time; when there are many, processor time in proportion to the square of their number. So the list is read every
two seconds; at once if the memory of Linux has grown as by very many locks; and not at all while Linux reports that all
locks of the machine together are no more than one kernel may have. So no kernel keeps more, however slowly it takes them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from kernels.contract import MIB
from kernels.sandbox import sysc

MOST: Final = 4096
"""Maximum of one kernel; a connection to SQLite has some three."""
ALL: Final = 4 * MOST
"""Maximum of all kernels of one spawner, so that the list stays short enough to read."""
INTERVAL_S: Final = 2.0
GROWTH_BYTES: Final = 64 * MIB
_OTHERS: Final = 10_000
"""Locks that the rest of the machine may hold in addition."""
_LOOK_PARTS: Final = 20
"""Looking takes one part in so many of a processor at most, however many locks there are."""
_COUNT: Final = "/sys/kernel/slab/file_lock_cache/objects"
"""Locks of the whole machine, sometimes with other objects of their size; only root may read it, and not on every Linux."""


@dataclass(slots=True)
class LockWatch:
    """Decides when to look at the locks."""

    next_at: float = 0.0
    floor_bytes: int | None = None

    def is_due(self, now: float) -> bool:
        """Whether to look: Linux's own memory has grown by so much, or some time is over and there can be too many."""
        if self._has_grown():
            return True
        if now < self.next_at:
            return False
        self.next_at = now + INTERVAL_S
        return not _are_few()

    def note(self, ended: float, cost_s: float) -> None:
        """A look took *cost_s* of processor time: the next one, if nothing presses, comes in proportion.

        Processor time, not waiting: on a busy machine a look may wait for seconds, and is no less needed.
        """
        self.next_at = ended + max(INTERVAL_S, _LOOK_PARTS * cost_s)

    def _has_grown(self) -> bool:
        """Since the last time it had, or since it was smallest."""
        now = _own_memory_bytes()
        if self.floor_bytes is None or now < self.floor_bytes:
            self.floor_bytes = now
        if now < self.floor_bytes + GROWTH_BYTES:
            return False
        self.floor_bytes = now
        return True


def holders() -> Counter[int]:
    """The locks of each process. If kernels have more than ALL, more than ALL of theirs are in the part that is read."""
    text = bytearray()
    try:
        listed = os.fdopen(os.open("/proc/locks", os.O_RDONLY | os.O_CLOEXEC), "rb", buffering=0)
    except OSError:
        return Counter()  # this Linux has none, or does not show them
    lines = 0
    with closing(listed):
        while lines <= ALL + _OTHERS and (some := listed.read(1 << 16)):
            lines += some.count(b"\n")
            text += some
    return counted(text.decode(errors="replace").splitlines())


def counted(lines: Iterable[str]) -> Counter[int]:
    """The locks on ranges in these lines of /proc/locks, by process: `1: POSIX ADVISORY WRITE 4711 fe:00:23 0 EOF`.

    Linux lists them in pieces, and may repeat some if others change: two lines that differ only in number are one lock.
    """
    locks = {tuple(line.replace("->", "").split()[1:]) for line in lines}
    return Counter(int(words[3]) for words in locks if len(words) > 3 and words[0] == "POSIX" and words[3].isdigit())


def to_end(held: Mapping[str, int]) -> list[str]:
    """The kernels to end, given what each holds: those above MOST, then the largest until the rest is within ALL."""
    left, ended = sum(held.values()), []
    for kernel_id, number in sorted(held.items(), key=lambda item: -item[1]):
        if number <= MOST and left <= ALL:
            break
        ended.append(kernel_id)
        left -= number
    return ended


def _are_few() -> bool:
    """Whether the whole machine has no more locks than one kernel may have; False if Linux does not report it."""
    try:
        return int(sysc.read_whole(_COUNT).split()[0]) <= MOST
    except (OSError, ValueError, IndexError):
        return False


def _own_memory_bytes() -> int:
    """The unreclaimable memory of Linux itself; 0 if it does not report it."""
    try:
        lines = sysc.read_whole("/proc/meminfo").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("SUnreclaim:")), 0)

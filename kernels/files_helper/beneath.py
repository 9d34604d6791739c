"""Opens files below a directory, and only there, even if the kernel's code renames them at the same time.

Linux itself refuses links of every kind (also in the middle of a path), `..` and other file systems. So there is
no time between a check and a use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kernels.sandbox import sysc

_RESOLVE: Final = (
    sysc.RESOLVE_BENEATH | sysc.RESOLVE_NO_SYMLINKS | sysc.RESOLVE_NO_MAGICLINKS | sysc.RESOLVE_NO_XDEV
)  # fmt: skip
_ALWAYS: Final = os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY


def open_beneath(folder: int, path: bytes, flags: int, mode: int = 0) -> int:
    """A descriptor of *path* below the directory *folder*; raises OSError: ELOOP for a link, EXDEV for a way out.

    It never blocks, not even on a FIFO.
    """
    return sysc.openat2(folder, path, flags | _ALWAYS, mode, _RESOLVE)


@contextmanager
def opened(folder: int, path: bytes, flags: int, mode: int = 0) -> Iterator[int]:
    """The same as a context manager that closes it."""
    fd = open_beneath(folder, path, flags, mode)
    try:
        yield fd
    finally:
        os.close(fd)


def open_directory(folder: int, path: bytes = b".") -> int:
    """A descriptor of the directory *path* below *folder*, or of *folder* itself, for reading."""
    return open_beneath(folder, path, _DIRECTORY)


def names_in(directory: int, most: int) -> tuple[list[bytes], bool]:
    """At most *most* names in an open directory, sorted, and whether there are more."""
    names: list[bytes] = []
    with os.scandir(directory) as found:
        for item in found:
            if len(names) == most:
                return sorted(names), True
            names.append(os.fsencode(item.name))
    return sorted(names), False

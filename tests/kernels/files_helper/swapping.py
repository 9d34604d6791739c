"""Two names that change places all the time, as hostile code would have it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from pathlib import Path

_HERE = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def swapping(one: Path, other: Path) -> Iterator[None]:
    """*one* and *other* change places inside the block, as fast as a thread can."""
    done = threading.Event()
    exchange = ctypes.CDLL(None).renameat2
    names = os.fsencode(one), os.fsencode(other)

    def swap() -> None:
        while not done.is_set():
            assert exchange(_HERE, names[0], _HERE, names[1], _RENAME_EXCHANGE) == 0

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        yield
    finally:
        done.set()
        swapper.join()

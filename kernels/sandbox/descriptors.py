"""What a kernel inherits from the zygote besides memory: open descriptors, signal dispositions and the umask."""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Iterable
from typing import Final

from kernels.sandbox import sysc

STANDARD: Final = (0, 1, 2)
_LAST: Final = 0xFFFF_FFFF
_UMASK: Final = 0o022
_IGNORED: Final = frozenset((signal.SIGPIPE, signal.SIGXFSZ))
"""Python starts with these ignored and relies on it: it raises BrokenPipeError and OSError instead."""


def close_all_but(keep: Iterable[int]) -> None:
    """Close every descriptor but the standard three and *keep*, none of which may lead to a file or directory.

    A directory left open is a way out of any root, and a regular file could be truncated behind its owner's back.
    """
    kept = sorted({*STANDARD, *keep})
    for fd in kept:
        mode = os.fstat(fd).st_mode
        if not (stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
            raise OSError(errno.EBADF, f"descriptor {fd} is neither a socket, a pipe nor a device")
    _close_between(kept)


def keep_only(*kept: int) -> None:
    """The same for a process that holds a directory: the standard three lead to /dev/null, all but *kept* are closed."""
    detach_standard()
    _close_between(sorted({*STANDARD, *kept}))


def _close_between(kept: list[int]) -> None:
    for low, high in zip(kept, [*kept[1:], _LAST + 1], strict=True):
        if low + 1 < high:
            sysc.close_range(low + 1, high - 1)


def detach_standard() -> None:
    """Point the standard three at /dev/null: nothing written there reaches a log, and none leads to a file."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for fd in STANDARD:
        os.dup2(null, fd)
    os.close(null)


def reset_signals() -> None:
    """Reset every signal to Python's default and unblock all, whatever the zygote used."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN if number in _IGNORED else signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(_UMASK)

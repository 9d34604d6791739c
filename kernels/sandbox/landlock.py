"""Landlock: a second barrier for files, and at level L1 the first one. It needs no privilege and cannot be undone.

Each version of it (ABI) knows more rights. All that the running version knows are handled, so that what is not allowed
by name is denied; what it does not know yet it cannot deny, which is why the level depends on the version (see
probe.py).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from typing import Final

from kernels.sandbox import sysc

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEV, _RESOLVE_UNIX = 1 << 13, 1 << 14, 1 << 15, 1 << 16
_FIRST_VERSION: Final = (1 << 13) - 1
_ADDED: Final = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEV, 9: _RESOLVE_UNIX}
_DEVICE_NODES: Final = 1 << 6 | 1 << 11  # MAKE_CHAR, MAKE_BLOCK
_FOR_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ: Final = _EXECUTE | _READ_FILE | _READ_DIR
_NET_ALL: Final = 3  # bind and connect of TCP, from ABI 4
_SCOPE_ALL: Final = 3  # abstract unix sockets and signals, from ABI 6
SCOPES_SINCE: Final = 6


def handled(abi: int) -> int:
    """Every file right that version *abi* can deny."""
    return _FIRST_VERSION | sum(right for since, right in _ADDED.items() if since <= abi)


def restrict(readable: Iterable[str], writable: Iterable[str], *, deny_tcp: bool) -> None:
    """From now on: read and execute below *readable*, also change files below *writable*, nothing else.

    Signals and abstract unix sockets end at the processes started from here. Paths that do not exist are an error.
    """
    ruleset_fd, rights = _ruleset(deny_tcp=deny_tcp)
    try:
        for path in readable:
            try:
                sysc.landlock_allow(ruleset_fd, path, _fitting(path, _READ & rights))
            except PermissionError as error:
                # What its own uid cannot reach needs no permission here: it stays denied.
                if error.errno != errno.EACCES:
                    raise
        for path in writable:
            sysc.landlock_allow(ruleset_fd, path, _fitting(path, rights & ~_DEVICE_NODES & ~_IOCTL_DEV))
        sysc.landlock_restrict(ruleset_fd)
    finally:
        os.close(ruleset_fd)


def restrict_to(folder: int) -> None:
    """From now on: read and change files below the open directory *folder*, and nothing else; execute nothing."""
    ruleset_fd, rights = _ruleset(deny_tcp=True)
    try:
        sysc.landlock_allow_open(ruleset_fd, folder, rights & ~_DEVICE_NODES & ~_IOCTL_DEV & ~_EXECUTE)
        sysc.landlock_restrict(ruleset_fd)
    finally:
        os.close(ruleset_fd)


def _ruleset(*, deny_tcp: bool) -> tuple[int, int]:
    """A ruleset that denies all that this Linux can, as a descriptor; and the file rights among that."""
    abi = sysc.landlock_abi()
    rights = handled(abi)
    net = _NET_ALL if deny_tcp and abi >= 4 else 0
    return sysc.landlock_ruleset(rights, net, _SCOPE_ALL if abi >= SCOPES_SINCE else 0), rights


def _fitting(path: str, rights: int) -> int:
    """Those of *rights* that apply to *path*; directory rights on a file are an error."""
    return rights if stat.S_ISDIR(os.stat(path).st_mode) else rights & _FOR_FILES

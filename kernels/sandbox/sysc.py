"""The system calls the standard library lacks. Each one either did what it says or raises OSError with its errno.

Nothing here decides anything: which call is made, in which order and why is said in steps.py and in the module of the
facility. Files below /proc are written by one os.write, because a buffered file object swallows the error of its
close.
"""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import closing
from typing import Final

CLONE_PARENT: Final = 0x00008000
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_MOVE: Final = 8192
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

MOUNT_ATTR_RDONLY: Final = 1
MOUNT_ATTR_NOSUID: Final = 2
MOUNT_ATTR_NODEV: Final = 4
MOUNT_ATTR_NOEXEC: Final = 8
AT_FDCWD: Final = -100
AT_RECURSIVE: Final = 0x8000

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_CAPBSET_DROP: Final = 24
PR_GET_SECUREBITS: Final = 27
PR_SET_SECUREBITS: Final = 28
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_NO_NEW_PRIVS: Final = 39
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_RAISE: Final = 2
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

SECCOMP_SET_MODE_FILTER: Final = 1
RENAME_NOREPLACE: Final = 1
RESOLVE_NO_XDEV: Final = 1
RESOLVE_NO_MAGICLINKS: Final = 2
RESOLVE_NO_SYMLINKS: Final = 4
RESOLVE_BENEATH: Final = 8

LANDLOCK_CREATE_RULESET_VERSION: Final = 1
LANDLOCK_RULE_PATH_BENEATH: Final = 1

# Not the platform module: it would cache the host's name in every process forked from this one.
ARCH: Final = os.uname().machine
_OWN_NUMBERS: Final = {
    "x86_64": {"pivot_root": 155, "capget": 125, "capset": 126, "seccomp": 317, "clone": 56, "renameat2": 316},
    "aarch64": {"pivot_root": 41, "capget": 90, "capset": 91, "seccomp": 277, "clone": 220, "renameat2": 276},
}
_NUMBERS: Final = {
    **_OWN_NUMBERS.get(ARCH, {}),
    "close_range": 436,
    "openat2": 437,
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
_CAP_VERSION_3: Final = 0x20080522


def _checked(name: str, result: int) -> int:
    """*result* of the libc call *name*, or its errno as OSError."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _text(value: str | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def _raw(name: str, *arguments: int | ctypes._Pointer[ctypes.Structure] | ctypes.Array[ctypes.c_char] | bytes) -> int:
    """Make the system call *name* by number; integers travel as long."""
    if name not in _NUMBERS:
        raise OSError(38, f"{name}: no number known on {ARCH}")
    passed = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(name, int(_LIBC.syscall(ctypes.c_long(_NUMBERS[name]), *passed)))


def unshare(flags: int) -> None:
    """Leave the namespaces named by *flags* for new ones."""
    _checked("unshare", _LIBC.unshare(ctypes.c_int(flags)))


def fork_into_pid_namespace() -> int:
    """Fork a child that is pid 1 of a new pid namespace; like os.fork(), for a process with one thread.

    Not unshare() and then fork(): that sends every later child into the new namespace too, and a process in a user namespace
    may not go back to a pid namespace it does not own. Python's own handling after fork concerns other threads only.
    """
    return _raw("clone", CLONE_NEWPID | int(signal.SIGCHLD), 0, 0, 0, 0)


def fork_sibling() -> int:
    """Fork a child of the caller's own parent; like os.fork(), for a process with one thread."""
    return _raw("clone", CLONE_PARENT | int(signal.SIGCHLD), 0, 0, 0, 0)


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind *fd*, which must be of *kind*."""
    _checked("setns", _LIBC.setns(ctypes.c_int(fd), ctypes.c_int(kind)))


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """mount(2)."""
    result = _LIBC.mount(_text(source), os.fsencode(target), _text(kind), ctypes.c_ulong(flags), _text(options))
    _checked(f"mount {target}", result)


def umount(target: str, flags: int = MNT_DETACH) -> None:
    """umount2(2)."""
    _checked(f"umount {target}", _LIBC.umount2(os.fsencode(target), ctypes.c_int(flags)))


def pivot_root(new_root: str, put_old: str) -> None:
    """Make *new_root* the root; the old one appears at *put_old*."""
    _raw("pivot_root", os.fsencode(new_root), os.fsencode(put_old))


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def restrict_mounts(path: str, attributes: int) -> None:
    """Add *attributes* (MOUNT_ATTR_*) to the mount at *path* and all mounts below it."""
    attr = _MountAttr(attributes, 0, 0, 0)
    size = ctypes.sizeof(attr)
    _raw("mount_setattr", AT_FDCWD, os.fsencode(path), AT_RECURSIVE, ctypes.pointer(attr), size)


def sethostname(name: str) -> None:
    """Name this UTS namespace."""
    data = os.fsencode(name)
    _checked("sethostname", _LIBC.sethostname(data, ctypes.c_size_t(len(data))))


def setdomainname(name: str) -> None:
    """Set the NIS domain of this UTS namespace."""
    data = os.fsencode(name)
    _checked("setdomainname", _LIBC.setdomainname(data, ctypes.c_size_t(len(data))))


def prctl(option: int, *arguments: int) -> int:
    """prctl(2); missing arguments are zero, as several options demand."""
    values = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(f"prctl {option}", _LIBC.prctl(ctypes.c_int(option), *values))


def set_no_new_privs() -> None:
    """No later exec can gain a privilege."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def set_dumpable(*, dumpable: bool) -> None:
    """Whether /proc/self belongs to the caller's uid, and whether others of that uid may look inside."""
    prctl(PR_SET_DUMPABLE, int(dumpable))


def set_death_signal(number: int) -> None:
    """Get signal *number* when the parent thread dies. A change of credentials clears this."""
    prctl(PR_SET_PDEATHSIG, number)


def set_subreaper() -> None:
    """Orphaned descendants become children of the caller."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32 * 1),
        ("permitted", ctypes.c_uint32 * 1),
        ("inheritable", ctypes.c_uint32 * 1),
    )


class _CapPair(ctypes.Structure):
    _fields_ = (("low", _CapData), ("high", _CapData))


def capget() -> tuple[int, int, int]:
    """The caller's effective, permitted and inheritable sets as bit masks."""
    header, pair = _CapHeader(_CAP_VERSION_3, 0), _CapPair()
    _raw("capget", ctypes.pointer(header), ctypes.pointer(pair))
    effective, permitted, inheritable = (
        getattr(pair.low, name)[0] | getattr(pair.high, name)[0] << 32 for name in ("effective", "permitted", "inheritable")
    )
    return effective, permitted, inheritable


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set the caller's three capability sets."""
    header, pair = _CapHeader(_CAP_VERSION_3, 0), _CapPair()
    for name, mask in (("effective", effective), ("permitted", permitted), ("inheritable", inheritable)):
        getattr(pair.low, name)[0] = mask & 0xFFFFFFFF
        getattr(pair.high, name)[0] = mask >> 32
    _raw("capset", ctypes.pointer(header), ctypes.pointer(pair))


def close_range(first: int, last: int) -> None:
    """Close every descriptor from *first* to *last*."""
    _raw("close_range", first, last, 0)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(folder: int, path: bytes, flags: int, mode: int, resolve: int) -> int:
    """A descriptor of *path* below the directory *folder*, found as *resolve* (RESOLVE_*) allows."""
    how = _OpenHow(flags, mode, resolve)
    return _raw("openat2", folder, path, ctypes.pointer(how), ctypes.sizeof(how))


def rename_to_nothing(old: int, name: bytes, new: int, new_name: bytes) -> None:
    """Move *name* in the directory *old* to *new_name* in *new*; raises FileExistsError if there is anything."""
    _raw("renameat2", old, name, new, new_name, RENAME_NOREPLACE)


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def seccomp_load(program: bytes) -> None:
    """Put the BPF *program* (struct sock_filter, 8 bytes each) on the calling thread for good."""
    if not program or len(program) % 8:
        raise OSError(22, "seccomp: not a whole number of instructions")
    described = _FilterProgram(len(program) // 8, program)
    _raw("seccomp", SECCOMP_SET_MODE_FILTER, 0, ctypes.pointer(described))


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def landlock_abi() -> int:
    """The Landlock version this kernel offers; raises ENOSYS or EOPNOTSUPP where there is none."""
    return _raw("landlock_create_ruleset", 0, 0, LANDLOCK_CREATE_RULESET_VERSION)


def landlock_ruleset(fs: int, net: int, scoped: int) -> int:
    """A descriptor of a ruleset that handles these rights. Trailing zero fields are left out for older kernels."""
    ruleset = _Ruleset(fs, net, scoped)
    size = 24 if scoped else 16 if net else 8
    return _raw("landlock_create_ruleset", ctypes.pointer(ruleset), size, 0)


def landlock_allow(ruleset_fd: int, path: str, rights: int) -> None:
    """Allow *rights* on what *path* names and all below it."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        landlock_allow_open(ruleset_fd, fd, rights)
    finally:
        os.close(fd)


def landlock_allow_open(ruleset_fd: int, fd: int, rights: int) -> None:
    """Allow *rights* on what is open as *fd* and all below it."""
    rule = _PathBeneath(rights, fd)
    _raw("landlock_add_rule", ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, ctypes.pointer(rule), 0)


def landlock_restrict(ruleset_fd: int) -> None:
    """Bind the calling thread and its descendants to the ruleset for good."""
    _raw("landlock_restrict_self", ruleset_fd, 0)


def write_whole(path: str, text: str, *, dir_fd: int | None = None) -> None:
    """Write *text* by one system call to an existing file; a short write is EIO."""
    data = text.encode()
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        if os.write(fd, data) != len(data):
            raise OSError(5, f"short write to {path}")
    finally:
        os.close(fd)


def read_whole(path: str, *, dir_fd: int | None = None, limit_bytes: int = 1 << 20) -> str:
    """The text of a small file, read from its start; what is past *limit_bytes* is left out."""
    with closing(os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=dir_fd), "rb", buffering=0)) as raw:
        parts: list[bytes] = []
        while limit_bytes > 0 and (part := raw.read(min(limit_bytes, 1 << 16))):
            parts.append(part)
            limit_bytes -= len(part)
    return b"".join(parts).decode(errors="replace")

"""A kernel's identity: its own uid and gid, no supplementary groups, and a user namespace with a single id.

The order matters: groups before gid before uid, or the privilege that the next one needs is already gone. Capabilities
survive the change of uid only so that the user namespace can be made where unprivileged ones are switched off.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import closing
from typing import Final

from kernels.sandbox import sysc
from kernels.sandbox.capabilities import SETGID, SETUID, is_effective

INNER_ID: Final = 1000
"""The only uid and gid inside a kernel's user namespace, whatever they are outside."""
_PR_SET_KEEPCAPS: Final = 8


def may_change() -> bool:
    """Whether the caller can take another uid and gid."""
    return is_effective(SETUID) and is_effective(SETGID)


def become(uid: int, gid: int) -> None:
    """Become *uid* and *gid* without groups; the capabilities stay until capabilities.drop_all()."""
    if uid <= 0 or gid <= 0:
        raise OSError(errno.EINVAL, "a kernel never runs as uid or gid 0")
    _effective, permitted, inheritable = sysc.capget()
    sysc.prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if os.getgroups() or os.getresgid() != (gid, gid, gid) or os.getresuid() != (uid, uid, uid):
        raise OSError(errno.EPERM, "the change of identity did not take")
    sysc.capset(permitted, permitted, inheritable)


def answer_as(uid: int, gid: int, act: Callable[[], str]) -> str:
    """The result of *act* in a short-lived child after become(); "" if either raised an error."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            become(uid, gid)
            os.write(write_fd, act().encode())
        finally:
            os._exit(0)
    os.close(write_fd)
    with closing(os.fdopen(read_fd, "rb")) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said.decode()


def enter_user_namespace(proc_fd: int | None = None) -> None:
    """Become INNER_ID in a new user namespace without other ids. *proc_fd* is a /proc opened beforehand.

    After a change of uid /proc/self belongs to root until the process is dumpable again.
    """
    uid, gid = os.geteuid(), os.getegid()
    sysc.set_dumpable(dumpable=True)
    opened = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if proc_fd is None else proc_fd
    try:
        sysc.unshare(sysc.CLONE_NEWUSER)
        sysc.write_whole("self/setgroups", "deny", dir_fd=opened)
        sysc.write_whole("self/gid_map", f"{INNER_ID} {gid} 1\n", dir_fd=opened)
        sysc.write_whole("self/uid_map", f"{INNER_ID} {uid} 1\n", dir_fd=opened)
    finally:
        if proc_fd is None:
            os.close(opened)
    if os.getuid() != INNER_ID or os.getgid() != INNER_ID:
        raise OSError(errno.EPERM, "the id map did not take")


def forbid_user_namespaces(proc_fd: int) -> None:
    """No process in the caller's user namespace can make another one: a second lock beside seccomp."""
    sysc.write_whole("sys/user/max_user_namespaces", "0", dir_fd=proc_fd)

"""The place of a held kernel: what its guests join, kept open so that it outlives the kernel's process."""

from __future__ import annotations

import errno
import os
import socket
import stat
from dataclasses import dataclass, field
from typing import Final

from kernels.contract import Level, Policy
from kernels.sandbox import capabilities, identity, join
from kernels.sandbox.cgroup import KernelCgroup
from kernels.sandbox.root import WORK

KINDS: Final = ("pid", *join.KINDS)
FOLDERS: Final = (WORK, "/tmp", "/dev/shm")
"""The memory file systems of a place, the work directory first."""
_PATHS: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MANY: Final = len(KINDS) + len(FOLDERS)


@dataclass(frozen=True, slots=True)
class Place:
    """What the processes of a place share. Where kernels have no namespaces (level L1) nothing has to be kept open."""

    uid: int
    gid: int
    cgroup: KernelCgroup
    policy: Policy
    work_dir: str
    namespaces: dict[str, int] = field(default_factory=dict)
    """A descriptor of each (KINDS)."""
    folders: tuple[int, ...] = ()
    """A descriptor of each of FOLDERS, opened as a path."""
    inodes: frozenset[tuple[str, int]] = frozenset()

    def joined(self) -> tuple[int, ...]:
        """The namespaces that a guest enters once it is in the pid namespace, as join.enter() wants them."""
        return tuple(self.namespaces[kind] for kind in join.KINDS) if self.namespaces else ()

    def close(self) -> None:
        """Let go of it: without a process in it, Linux then removes it."""
        for fd in (*self.namespaces.values(), *self.folders):
            os.close(fd)


def open_place(pid: int, place: Place, level: Level, attested: frozenset[tuple[str, int]]) -> Place:
    """*place* with the namespaces and file systems of the running process *pid*, those that were *attested*.

    Raises OSError, and then nothing stays open.
    """
    if level is Level.L1:
        return place
    fds = _opened(pid, place)
    try:
        namespaces = dict(zip(KINDS, fds, strict=False))
        inodes = frozenset((kind, os.fstat(fd).st_ino) for kind, fd in namespaces.items())
        if len(fds) != _MANY or not inodes <= attested:
            raise PermissionError(errno.EPERM, "it is not in the namespaces that were attested")
        folders = tuple(fds[len(KINDS) :])
        for fd in folders:
            found = os.fstat(fd)
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != place.uid:
                raise PermissionError(errno.EPERM, "its directories are not its own")
    except OSError:
        for fd in fds:
            os.close(fd)
        raise
    return Place(place.uid, place.gid, place.cgroup, place.policy, place.work_dir, namespaces, folders, inodes)


def _opened(pid: int, place: Place) -> list[int]:
    """Open all of it, in the order of KINDS and FOLDERS.

    Linux shows it to a tracer only. A spawner without that privilege has a short-lived child of the kernel's own uid do it.
    """
    try:
        return _open(pid)
    except PermissionError:
        if not identity.may_change():
            raise
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:

        def hand_over() -> str:
            capabilities.drop_all()
            socket.send_fds(theirs, [b"place"], _open(pid))
            return ""

        identity.answer_as(place.uid, place.gid, hand_over)
        theirs.close()
        fds = socket.recv_fds(ours, 16, _MANY)[1]
    for fd in fds:
        os.set_inheritable(fd, False)
    return list(fds)


def _open(pid: int) -> list[int]:
    paths = [(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in KINDS]
    paths += [(f"/proc/{pid}/root{folder}", _PATHS) for folder in FOLDERS]
    fds: list[int] = []
    try:
        for path, flags in paths:
            fds.append(os.open(path, flags))
    except OSError:
        for fd in fds:
            os.close(fd)
        raise
    return fds

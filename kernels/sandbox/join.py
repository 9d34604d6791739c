"""Joining the namespaces of a place instead of making them: what a guest does at the steps `namespaces` and `mounts`."""

from __future__ import annotations

from typing import Final

from kernels.sandbox import sysc

KINDS: Final = ("mnt", "net", "ipc", "uts", "cgroup")
"""The namespaces that a guest joins, in the order of their descriptors; it is in the place's pid namespace before."""
_FLAGS: Final = (sysc.CLONE_NEWNS, sysc.CLONE_NEWNET, sysc.CLONE_NEWIPC, sysc.CLONE_NEWUTS, sysc.CLONE_NEWCGROUP)


def enter(namespaces: tuple[int, ...]) -> None:
    """Enter each of these open namespaces (KINDS); raises OSError. The mount namespace takes SYS_CHROOT as well."""
    for fd, kind in zip(namespaces, _FLAGS, strict=True):
        sysc.setns(fd, kind)

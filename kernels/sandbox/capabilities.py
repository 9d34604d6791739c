"""Linux capabilities: what the zygote may keep, and how a kernel loses all of them for good."""

from __future__ import annotations

import errno
from typing import Final

from kernels.sandbox import sysc

KILL: Final = 5
SETGID: Final = 6
SETUID: Final = 7
SETPCAP: Final = 8
NET_ADMIN: Final = 12
SYS_CHROOT: Final = 18
SYS_ADMIN: Final = 21
SYS_PTRACE: Final = 19
FOR_THE_SPAWNER: Final = (KILL, SETGID, SETUID, SETPCAP, NET_ADMIN, SYS_CHROOT, SYS_PTRACE, SYS_ADMIN)
"""A spawner's capabilities over its own user namespace; it needs PTRACE to inspect kernels, which no other process may."""
FOR_THE_ZYGOTE: Final = (SETGID, SETUID, NET_ADMIN, SYS_ADMIN)
"""All the zygote needs to confine its children; a spawner that is not root needs KILL beside them."""
TO_JOIN: Final = (SYS_CHROOT,)
"""What it takes beside them to enter a mount namespace, as guests do; where it is missing, they are refused."""
_MOST: Final = 64
_LOCKED_BITS: Final = 0xEF
"""NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, KEEP_CAPS off; each with its lock."""
_NOROOT: Final = 1


def is_effective(capability: int) -> bool:
    """Whether the caller holds *capability* right now."""
    return bool(sysc.capget()[0] >> capability & 1)


def drop_all() -> None:
    """Lose every capability in every set, for this process and all it will ever exec.

    The bounding set and the secure bits need SETPCAP. A process without it has no user namespace (level L1); there
    no_new_privs keeps exec from using the bounding set.
    """
    sysc.prctl(sysc.PR_CAP_AMBIENT, sysc.PR_CAP_AMBIENT_CLEAR_ALL)
    if is_effective(SETPCAP):
        for capability in range(_MOST):
            if not _drop_from_bounding(capability):
                break
        sysc.prctl(sysc.PR_SET_SECUREBITS, _LOCKED_BITS)
    sysc.capset(0, 0, 0)
    if sysc.capget() != (0, 0, 0):
        raise PermissionError(errno.EPERM, "capabilities are still there")


def _drop_from_bounding(capability: int) -> bool:
    """Drop one capability; False past the last one this kernel knows."""
    try:
        sysc.prctl(sysc.PR_CAPBSET_DROP, capability)
    except OSError as error:
        if error.errno == errno.EINVAL and capability > SYS_ADMIN:
            return False
        raise
    return True


def keep_over_exec(wanted: tuple[int, ...] = (*FOR_THE_ZYGOTE, *TO_JOIN)) -> None:
    """Hold only those of *wanted* that are permitted, also after the next exec, also as root."""
    permitted = sysc.capget()[1]
    kept = sum(1 << capability for capability in wanted) & permitted
    if is_effective(SETPCAP):
        sysc.prctl(sysc.PR_SET_SECUREBITS, sysc.prctl(sysc.PR_GET_SECUREBITS) | _NOROOT)
    sysc.prctl(sysc.PR_CAP_AMBIENT, sysc.PR_CAP_AMBIENT_CLEAR_ALL)
    sysc.capset(kept, kept, kept)
    for capability in wanted:
        if kept >> capability & 1:
            sysc.prctl(sysc.PR_CAP_AMBIENT, sysc.PR_CAP_AMBIENT_RAISE, capability)

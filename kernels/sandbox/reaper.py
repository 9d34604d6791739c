"""The confinement of pid 1 of a kernel's pid namespace: it reaps orphans and can do nothing else.

It is forked from the spawner, so it starts with the spawner's privileges. It runs no user code, but code in the
kernel shares a uid with it; so it keeps no privilege, no descriptor it was not given, no files and a filter of thirty
calls.
"""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass
from typing import Final

from kernels.contract import Level
from kernels.sandbox import capabilities, descriptors, identity, landlock, root, seccomp, sysc
from kernels.sandbox.steps import StepFailed

_NO_FILES: Final[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Namespace:
    """An open namespace to enter, and its CLONE_NEW* kind."""

    fd: int
    kind: int


def confine_init(
    uid: int, gid: int, keep_fds: tuple[int, ...], level: Level, *, namespaces: tuple[Namespace, ...] = ()
) -> None:
    """Confine the calling process as a reaper; raises StepFailed, and then it must _exit.

    *namespaces* (the zygote's mount and network namespaces, say) are entered first; to enter a mount namespace takes
    SYS_CHROOT, and who lacks it gets an empty root instead. At L3 the process becomes *uid*; at the lower levels it keeps
    the only one there is.
    """
    try:
        _leave_the_host(namespaces)
        if level is Level.L3:
            identity.become(uid, gid)
        capabilities.drop_all()
        sysc.set_no_new_privs()
        sysc.set_dumpable(dumpable=False)
        # After the change of identity, which clears it; before the filter, which denies it. No init outlives its spawner.
        sysc.set_death_signal(signal.SIGKILL)
        landlock.restrict(_NO_FILES, _NO_FILES, deny_tcp=True)
        descriptors.close_all_but(keep_fds)
        seccomp.load("init")
    except (OSError, ValueError, RuntimeError) as error:
        number = error.errno if isinstance(error, OSError) and error.errno else errno.EINVAL
        raise StepFailed("init", errno.errorcode.get(number, "EIO"), str(error)) from error


def _leave_the_host(namespaces: tuple[Namespace, ...]) -> None:
    """Leave the host's root."""
    if namespaces and not capabilities.is_effective(capabilities.SYS_CHROOT):
        with root.new_root():
            pass
        return
    for namespace in namespaces:
        sysc.setns(namespace.fd, namespace.kind)
    os.chdir("/")

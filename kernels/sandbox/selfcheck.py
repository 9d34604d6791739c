"""The last step: a confined process checks itself. The spawner checks it from outside as well (attest.py)."""

from __future__ import annotations

import errno
import os
from typing import Final

from kernels.contract import Level
from kernels.sandbox import mounts, sysc

_PR_GET_SECCOMP: Final = 21
_FILTERING: Final = 2
_ZERO_SETS: Final = ("CapInh", "CapPrm", "CapEff", "CapAmb")


def check_self(level: Level, uid: int | None) -> None:
    """Raise OSError with the first wrong fact. *uid* None: the level does not change it."""
    if uid is not None and (os.getresuid() != (uid, uid, uid) or os.getresgid()[0] != os.getresgid()[1]):
        raise OSError(errno.EPERM, "the uid is not the assigned one")
    if sysc.capget() != (0, 0, 0):
        raise OSError(errno.EPERM, "capabilities are left")
    if sysc.prctl(sysc.PR_GET_NO_NEW_PRIVS) != 1:
        raise OSError(errno.EPERM, "no_new_privs is not set")
    if sysc.prctl(_PR_GET_SECCOMP) != _FILTERING:
        raise OSError(errno.EPERM, "system calls are not filtered")
    if level in (Level.L3, Level.L2_PLUS):
        _check_status()
        if shown := mounts.shown_of_host():
            raise OSError(errno.EPERM, f"{shown[0]} shows facts about the host")


def _check_status() -> None:
    """The kernel's own account of the same, and of the two sets that have no system call of their own."""
    facts = dict(line.split(":", 1) for line in sysc.read_whole("/proc/self/status").splitlines() if ":" in line)
    for name in (*_ZERO_SETS, "CapBnd"):
        if int(facts[name], 16):
            raise OSError(errno.EPERM, f"{name} is not empty")
    if facts["NoNewPrivs"].strip() != "1" or facts["Seccomp"].strip() != "2":
        raise OSError(errno.EPERM, "the process status does not show no_new_privs and a filter")

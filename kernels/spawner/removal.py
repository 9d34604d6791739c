"""Removes the control groups of ended kernels in a short-lived process: releasing memory takes Linux milliseconds each.

Files of the host that a kernel read first stay in memory, and Linux keeps the control group that is charged with
them after its directory is gone. So KernelCgroup.remove releases that memory first; the spawner does not wait for it.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from typing import Final, NoReturn

from kernels.sandbox import descriptors, sysc
from kernels.sandbox.cgroup import KernelCgroup
from kernels.spawner.loop import Loop

PAUSE_S: Final = 0.2
"""Time between two of these processes, so that many ended kernels share one."""


@dataclass(slots=True)
class Removal:
    """One process at a time for all groups passed to remove(); the spawner's sweep finds what it leaves."""

    loop: Loop
    _waiting: list[KernelCgroup] = field(default_factory=list)
    _pid: int = 0
    _is_pausing: bool = False

    def remove(self, cgroup: KernelCgroup) -> None:
        """Schedule the removal of the empty *cgroup*."""
        if cgroup.group is not None:
            self._waiting.append(cgroup)
            self._begin()

    def pids(self) -> set[int]:
        """The pid of the running process."""
        return {self._pid} if self._pid else set()

    def _begin(self) -> None:
        if self._pid or self._is_pausing or not self._waiting:
            return
        groups, self._waiting = self._waiting, []
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            _remove(groups)
            return
        if pid == 0:
            _run(groups, parent)
        self._pid, self._is_pausing = pid, True
        pidfd = os.pidfd_open(pid)
        self.loop.watch(pidfd, lambda: self._ended(pidfd))
        self.loop.call_later(PAUSE_S, self._resume)

    def _ended(self, pidfd: int) -> None:
        self.loop.forget(pidfd)
        os.close(pidfd)
        os.waitpid(self._pid, 0)
        self._pid = 0
        self._begin()

    def _resume(self) -> None:
        self._is_pausing = False
        self._begin()


def _run(groups: list[KernelCgroup], parent: int) -> NoReturn:
    """Remove *groups* and exit; never returns into the spawner's code."""
    try:
        signal.set_wakeup_fd(-1)
        sysc.set_death_signal(signal.SIGKILL)
        descriptors.keep_only()
        descriptors.reset_signals()
        if os.getppid() == parent:
            _remove(groups)
    finally:
        os._exit(0)


def _remove(groups: list[KernelCgroup]) -> None:
    for cgroup in groups:
        cgroup.remove()

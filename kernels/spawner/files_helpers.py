"""Files helpers: their identity, what they can reach, and their end with the kernel.

A helper is forked from the spawner on demand, becomes the kernel's uid in the kernel's control group, opens the kernel's
work directory *as that uid*, and gives up all else before it listens. So it can do to files what the kernel's own code
could do, in that one directory; the spawner itself touches no file of a kernel.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NoReturn

from kernels.contract import MIB, Policy
from kernels.files_helper.serve import serve
from kernels.filewire import Problem, failed
from kernels.sandbox import capabilities, descriptors, identity, landlock, limits, seccomp, sysc
from kernels.sandbox.cgroup import KernelCgroup
from kernels.spawner.loop import Loop

MOST: Final = 8
"""Maximum helpers of one kernel at a time."""
_OWN_DATA_BYTES: Final = 64 * MIB
_PATHS: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class HelperPlace:
    """The kernel of a helper: its ids, control group and limits, and the path of its work directory for the spawner.

    *work_fd*: that directory itself, opened as a path, if its place is held.
    """

    uid: int
    gid: int
    cgroup: KernelCgroup
    policy: Policy
    work_path: str
    work_fd: int = -1


@dataclass(slots=True)
class FilesHelpers:
    """All helpers of a spawner. *on_end* gets the id of a kernel whose last helper has exited."""

    loop: Loop
    on_end: Callable[[str], None]
    _of: dict[str, dict[int, int]] = field(default_factory=dict)
    """Pid and pidfd of each helper, by kernel."""

    def start(self, kernel_id: str, place: HelperPlace | None, channel: int) -> None:
        """Serve the gateway's socket *channel* from a helper in *place*, or answer there why not; closes *channel*."""
        with socket.socket(fileno=channel) as told:
            if place is None:
                _say(told, Problem.GONE)
            elif len(self._of.get(kernel_id, ())) >= MOST:
                _say(told, Problem.BUSY)
            else:
                self._fork(kernel_id, place, told)

    def _fork(self, kernel_id: str, place: HelperPlace, told: socket.socket) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            _say(told, Problem.BUSY)
            return
        if pid == 0:
            _run(place, told.fileno(), parent)
        pidfd = os.pidfd_open(pid)
        self._of.setdefault(kernel_id, {})[pid] = pidfd
        self.loop.watch(pidfd, lambda: self._ended(kernel_id, pid))

    def _ended(self, kernel_id: str, pid: int) -> None:
        helpers = self._of[kernel_id]
        pidfd = helpers.pop(pid)
        self.loop.forget(pidfd)
        os.close(pidfd)
        os.waitpid(pid, 0)
        if not helpers:
            del self._of[kernel_id]
            self.on_end(kernel_id)

    def kill(self, kernel_id: str) -> None:
        """Kill the helpers of a kernel; *on_end* follows if there were any."""
        for pidfd in self._of.get(kernel_id, {}).values():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def __contains__(self, kernel_id: str) -> bool:
        return kernel_id in self._of

    def pids(self) -> set[int]:
        """The pids of all helpers."""
        return {pid for helpers in self._of.values() for pid in helpers}


def _say(told: socket.socket, problem: Problem) -> None:
    with suppress(OSError):
        told.send(failed(problem), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def _run(place: HelperPlace, channel: int, parent: int) -> NoReturn:
    """Run as the helper until the gateway closes the connection; never returns into the spawner's code."""
    code = 70
    try:
        root = confine(place, channel, parent)
        serve(channel, root)
        code = 0
    except (OSError, ValueError, RuntimeError):
        # Most likely the kernel has died in the meantime. Nothing was served.
        os.write(channel, failed(Problem.GONE))
    finally:
        os._exit(code)


def confine(place: HelperPlace, channel: int, parent: int) -> int:
    """Become the helper; the socket and the work directory are all that is left open. Raises OSError: then it must _exit."""
    signal.set_wakeup_fd(-1)
    place.cgroup.attach(os.getpid())
    limits.limit_resources(place.policy, _OWN_DATA_BYTES)
    if place.uid != os.geteuid():
        identity.become(place.uid, place.gid)
    capabilities.drop_all()
    sysc.set_no_new_privs()
    sysc.set_dumpable(dumpable=False)
    sysc.set_death_signal(signal.SIGKILL)
    if os.getppid() != parent:
        raise ProcessLookupError("the spawner is gone already")
    root = _open_work(place)
    descriptors.keep_only(channel, root)
    landlock.restrict_to(root)
    descriptors.reset_signals()
    seccomp.load("files")
    return root


def _open_work(place: HelperPlace) -> int:
    """The work directory, which the kernel's uid can open and owns."""
    root = os.open(".", _PATHS, dir_fd=place.work_fd) if place.work_fd >= 0 else os.open(place.work_path, _PATHS)
    found = os.fstat(root)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != place.uid:
        raise PermissionError(f"{place.work_path} is not the kernel's work directory")
    return root

"""Every way to have a signal sent, tried at level L1 against a process of the same uid."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kernels.contract import Level
from kernels.sandbox import seccomp, sysc
from tests.kernels.sandbox import trial
from tests.kernels.sandbox.trial import error_of
from tests.live import HANG_S

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="these trials change their uid, which needs root"),
]
LIBC = ctypes.CDLL(None, use_errno=True)
NUMBERS: dict[str, int] = {**seccomp._table()["numbers"].get(sysc.ARCH, {}), "pidfd_open": 434, "pidfd_send_signal": 424}
F_SETSIG, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP = 10, 15, 0x8901, 0x8902


def call(name: str, *arguments: Any) -> int:
    """The system call *name*; raises OSError."""
    said = LIBC.syscall(ctypes.c_long(NUMBERS[name]), *arguments)
    if said < 0:
        raise OSError(ctypes.get_errno(), name)
    return int(said)


def told_by_a_descriptor(own: Callable[[int], object]) -> None:
    """Let the owner of a readable descriptor, which *own* names, be told with SIGKILL."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        own(ours.fileno())
        fcntl.fcntl(ours, F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(ours, fcntl.F_SETFL, fcntl.fcntl(ours, fcntl.F_GETFL) | os.O_ASYNC)
        theirs.send(b"x")


INFO = struct.pack("iii116x", 0, 0, -1)
"""A siginfo_t of sigqueue()."""
WAYS: dict[str, Callable[[int], object]] = {
    "kill": lambda pid: os.kill(pid, signal.SIGKILL),
    "kill its group": lambda pid: os.kill(-pid, signal.SIGKILL),
    "tkill": lambda pid: call("tkill", pid, signal.SIGKILL),
    "tgkill": lambda pid: call("tgkill", pid, pid, signal.SIGKILL),
    "rt_sigqueueinfo": lambda pid: call("rt_sigqueueinfo", pid, signal.SIGKILL, INFO),
    "rt_tgsigqueueinfo": lambda pid: call("rt_tgsigqueueinfo", pid, pid, signal.SIGKILL, INFO),
    "pidfd": lambda pid: call("pidfd_send_signal", call("pidfd_open", pid, 0), signal.SIGKILL, None, 0),
    "owner": lambda pid: told_by_a_descriptor(lambda fd: fcntl.fcntl(fd, fcntl.F_SETOWN, pid)),
    "owning group": lambda pid: told_by_a_descriptor(lambda fd: fcntl.fcntl(fd, fcntl.F_SETOWN, -pid)),
    "owner by kind": lambda pid: told_by_a_descriptor(lambda fd: fcntl.fcntl(fd, F_SETOWN_EX, struct.pack("ii", 1, pid))),
    "owner by ioctl": lambda pid: told_by_a_descriptor(lambda fd: fcntl.ioctl(fd, FIOSETOWN, struct.pack("i", pid))),
    "owner of a socket": lambda pid: told_by_a_descriptor(lambda fd: fcntl.ioctl(fd, SIOCSPGRP, struct.pack("i", pid))),
}


@contextmanager
def a_process() -> Iterator[int]:
    """The pid of a process that does nothing, in a group of its own."""
    pid = trial.sleeper()
    os.setpgid(pid, pid)
    try:
        yield pid
    finally:
        trial.kill_quietly(pid)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_ends_a_process_where_nothing_is_in_the_way(way: str) -> None:
    """Else its failure below would say nothing."""

    def as_user() -> bool:
        trial.become_user()
        with a_process() as other:
            WAYS[way](other)
            deadline = time.monotonic() + HANG_S
            while os.waitid(os.P_PID, other, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.005)
            return True

    assert trial.in_child(as_user)


@pytest.mark.parametrize("scopes", (True, False), ids=("landlock", "filter"))
@pytest.mark.parametrize("way", WAYS)
def test_no_way_reaches_a_process_of_the_same_uid(way: str, scopes: bool) -> None:
    """Neither where Landlock confines signals nor where a filter has to (before its version 6)."""
    if scopes and sysc.landlock_abi() < 6:
        pytest.skip("Landlock confines no signals here")

    def as_user() -> Any:
        trial.become_user()

        def before() -> None:
            if not scopes:
                sysc.landlock_abi = lambda: 5

        with a_process() as other:
            c = trial.confinement(Level.L1, own_uid=False, work_dir="/dev/shm", readable=("/usr",))
            done = trial.run(c, lambda: error_of(lambda: WAYS[way](other)), before=before)
            time.sleep(0.1)
            ended = os.waitid(os.P_PID, other, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return done.answer, ended is not None, done.failure

    said, has_ended, failure = trial.in_child(as_user)
    assert said is not None, failure
    assert not has_ended, said

"""The first process of a kernel's pid namespace: it reaps the kernel's orphans, and its end kills all of them."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import dataclass
from typing import NoReturn

from kernels.contract import Level
from kernels.sandbox import descriptors, sysc
from kernels.sandbox.reaper import Namespace, confine_init


@dataclass(frozen=True, slots=True)
class InitPlace:
    """The place of an init: the identity it takes and the namespaces (descriptors) it joins."""

    level: Level
    uid: int
    gid: int
    mount_namespace: int
    network_namespace: int


@dataclass(frozen=True, slots=True)
class Init:
    """A confined init: its *pid* as seen from the spawner, and a descriptor of its pid namespace."""

    pid: int
    namespace: int


def fork_init(place: InitPlace) -> Init:
    """A confined init that is pid 1 of a new pid namespace; raises OSError.

    Forked from the spawner, which is small: forking the zygote a second time would cost as much as the kernel itself. It
    hands over its namespace itself, because a spawner without SYS_PTRACE cannot open it from outside.
    """
    told, tell = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with told, tell:
        pid = sysc.fork_into_pid_namespace()
        if pid == 0:
            _run(place, tell.fileno())
        tell.close()
        answer, fds, _flags, _address = socket.recv_fds(told, 500, 1)
        if fds:
            answer = told.recv(500)
        if answer == b"+" and fds:
            os.set_inheritable(fds[0], False)
            return Init(pid, fds[0])
        for fd in fds:
            os.close(fd)
        os.waitpid(pid, 0)
        raise OSError(answer.decode(errors="replace") or "the init of the pid namespace exited early")


def _run(place: InitPlace, tell: int) -> NoReturn:
    """Become the init and stay until killed; never returns into the spawner's code."""
    try:
        # Ignoring SIGCHLD makes the kernel reap every orphan by itself: nothing is left to do, so nothing can go wrong.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        namespaces = (
            Namespace(place.mount_namespace, sysc.CLONE_NEWNS),
            Namespace(place.network_namespace, sysc.CLONE_NEWNET),
        )
        descriptors.detach_standard()
        _hand_over_namespace(tell)
        confine_init(place.uid, place.gid, (tell,), place.level, namespaces=namespaces)
        # It now dies with the spawner; a spawner that is already gone breaks this pipe.
        os.write(tell, b"+")
        os.close(tell)
        while True:
            signal.pause()
    except BaseException as error:  # noqa: BLE001 - the process entry: nothing may run on as the spawner
        os.write(tell, str(error).encode()[:500])
        os._exit(70)
    os._exit(0)


def _hand_over_namespace(tell: int) -> None:
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    with socket.socket(fileno=os.dup(tell)) as channel:
        socket.send_fds(channel, [b"n"], [own])
    os.close(own)

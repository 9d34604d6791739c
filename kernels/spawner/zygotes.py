"""Zygotes as the spawner sees them: started in a prepared root, later warm, finally dead."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NoReturn, Protocol

from kernels import contract
from kernels.contract import ContractError, Fork, Forked, Level, Packet, Reap, Reaped, Warm
from kernels.sandbox import root, sysc
from kernels.sandbox.attest import KINDS, namespaces_of
from kernels.sandbox.extra_dir import ExtraDir
from kernels.spawner.loop import Loop

CONTROL_FD = 3
MAX_FD = 0xFFFFFFFF
# Variables that numeric libraries read; the rest of a kernel's environment is set by the spawner.
PASSED_ON = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "TZ")
# One thread: a thread pool started by an import would make every fork unsafe.
SINGLE_THREADED = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


class ZygoteListener(Protocol):
    """Receives the events of zygotes."""

    def warm(self, zygote: Zygote) -> None:
        """Everything is imported."""

    def forked(self, zygote: Zygote, forked: Forked) -> None:
        """The answer to a request for a kernel."""

    def reaped(self, zygote: Zygote, reaped: Reaped) -> None:
        """The answer to a request to collect a dead kernel."""

    def gone(self, zygote: Zygote, status: int) -> None:
        """The process has ended with this wait status."""


@dataclass(slots=True)
class Zygote:
    """One zygote process and the channel to it."""

    pid: int
    pidfd: int
    channel: socket.socket
    owner: ZygoteListener
    warm: Warm | None = None
    forks: int = 0
    has_heir: bool = False
    namespaces: dict[str, int] = field(default_factory=dict)
    extra_dirs: tuple[str, ...] = ()
    foreign: frozenset[tuple[str, int]] = frozenset()

    def ask_fork(self, fork: Fork, fds: tuple[int, ...]) -> None:
        """Request one kernel; answered by Forked."""
        self.forks += 1
        contract.send(self.channel, fork, fds)

    def ask_reap(self, pid: int) -> None:
        """Request the exit status of a dead child; answered by Reaped."""
        contract.send(self.channel, Reap(pid=pid))

    def close(self) -> None:
        """Release it: it exits when its channel closes. Its kernels live on as the spawner's children."""
        self.channel.close()
        _close((self.pidfd, *self.namespaces.values()))


@dataclass(slots=True)
class Nursery:
    """Starts zygotes and passes on their events."""

    loop: Loop
    spec: root.RootSpec
    level: Level

    def show(self, extra_dirs: tuple[ExtraDir, ...]) -> None:
        """Let zygotes that start from now on show exactly these directories of added packages."""
        for extra in self.spec.extra_dirs:
            extra.close()
        self.spec = replace(self.spec, extra_dirs=extra_dirs)

    def extra_dirs(self) -> tuple[str, ...]:
        """The directories of added packages that zygotes started now will show."""
        return tuple(extra.source for extra in self.spec.extra_dirs)

    def readable(self) -> tuple[str, ...]:
        """What kernels of zygotes started now may read at level L1."""
        if self.level > Level.L1:
            return ("/",)
        return (*root.plain_paths(self.spec), *(f"/proc/self/fd/{extra.fd}" for extra in self.spec.extra_dirs))

    def start(self, owner: ZygoteListener) -> Zygote:
        """A zygote that is importing; *owner* is called when it is warm, or gone with its wait status."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            _exec_zygote(self.spec, self.level, theirs.fileno())
        theirs.close()
        zygote = Zygote(pid=pid, pidfd=os.pidfd_open(pid), channel=ours, owner=owner, extra_dirs=self.extra_dirs())
        self.loop.watch(ours.fileno(), lambda: self._take_one(zygote))
        self.loop.watch(zygote.pidfd, lambda: self.bury(zygote))
        return zygote

    def release(self, zygote: Zygote) -> None:
        """Ask a zygote to exit; gone() follows."""
        self.loop.forget(zygote.channel.fileno())
        zygote.channel.shutdown(socket.SHUT_RDWR)

    def bury(self, zygote: Zygote) -> None:
        """Forget a dead zygote and report its wait status."""
        # Packets that it sent before it died still count: a fork that it reported is a living kernel.
        while select.select([zygote.channel], [], [], 0)[0] and self._hear(zygote):
            pass
        self.loop.forget(zygote.channel.fileno())
        self.loop.forget(zygote.pidfd)
        status = os.waitpid(zygote.pid, 0)[1]
        zygote.close()
        zygote.owner.gone(zygote, status)

    def _take_one(self, zygote: Zygote) -> None:
        self._hear(zygote)

    def _hear(self, zygote: Zygote) -> bool:
        """Take one packet; False at the end of the stream."""
        try:
            received = contract.receive(zygote.channel, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except ConnectionError:
            received = None
        except ContractError as error:
            self._give_up(zygote, str(error))
            return False
        if received is None:
            # The process itself is still to be waited for: its pidfd tells when.
            self.loop.forget(zygote.channel.fileno())
            return False
        self._take(zygote, *received)
        return True

    def _take(self, zygote: Zygote, packet: Packet, fds: list[int]) -> None:
        if not isinstance(packet, Warm):
            _close(fds)
        match packet:
            case Warm():
                if zygote.warm is not None or len(fds) != len(KINDS):
                    _close(fds)
                    self._give_up(zygote, "a zygote sends Warm once, with its namespaces")
                    return
                zygote.namespaces = dict(zip(KINDS, fds, strict=True))
                theirs = {(kind, os.fstat(fd).st_ino) for kind, fd in zygote.namespaces.items()}
                zygote.foreign = namespaces_of("self") | theirs
                zygote.warm = packet
                zygote.owner.warm(zygote)
            case Forked():
                zygote.owner.forked(zygote, packet)
            case Reaped():
                zygote.owner.reaped(zygote, packet)
            case _:
                self._give_up(zygote, f"unexpected packet {type(packet).__name__} from a zygote")

    def _give_up(self, zygote: Zygote, reason: str) -> None:
        """Kill a zygote that breaks the protocol; gone() follows, and another one takes over."""
        sys.stderr.write(f"spawner: zygote killed: {reason[:200]}\n")
        self.loop.forget(zygote.channel.fileno())
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(zygote.pidfd, signal.SIGKILL)


def zygote_environment(level: Level) -> dict[str, str]:
    """The zygote's whole environment, built from nothing; kernels get their own on top."""
    # At level L1 it is a path on the host where not even root can create a directory.
    home = "/work" if level >= Level.L2 else "/dev/null"
    # Its locks live in /dev/shm, which kernels do not have at level 1: joblib then computes in one process.
    alone = {} if level >= Level.L2 else {"JOBLIB_MULTIPROCESSING": "0"}
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {
        # No import may start a program (matplotlib would run fc-list).
        "PATH": "/nonexistent",
        "LANG": "C.UTF-8",
        "HOME": home,
        "MPLBACKEND": "agg",
        "PYTHONDONTWRITEBYTECODE": "1",
        **SINGLE_THREADED,
        **alone,
        **passed,
    }


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)


def _exec_zygote(spec: root.RootSpec, level: Level, control: int) -> NoReturn:
    """In the child: build the read-only root, then become the zygote."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if level >= Level.L2:
            root.build_root(spec)
            shown: tuple[int, ...] = ()
            told = {"extra": root.extra_paths(spec), "readable": ("/",)}
            command = root.zygote_command
        else:
            shown = tuple(extra.fd for extra in spec.extra_dirs)
            told = {"extra": [extra.source for extra in spec.extra_dirs], "readable": root.plain_paths(spec)}
            command = partial(root.plain_command, spec)
        numbers = _pass_on(control, *shown)
        argv = command(str(CONTROL_FD), json.dumps({**told, "shown": numbers[1:]}))
        os.execve(argv[0], argv, zygote_environment(level))
    except BaseException as error:  # noqa: BLE001 - the process entry: nothing may run on as the spawner
        sys.stderr.write(f"zygote: start failed: {type(error).__name__}: {error}\n")
        sys.stderr.flush()
    os._exit(71)


def _pass_on(*fds: int) -> list[int]:
    """The numbers, from CONTROL_FD on, under which these descriptors alone survive the exec."""
    numbers = list(range(CONTROL_FD, CONTROL_FD + len(fds)))
    # Copied to higher numbers first: one may have a number that another one will get.
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, CONTROL_FD + len(fds)) for fd in fds]
    for copy, number in zip(copies, numbers, strict=True):
        os.dup2(copy, number, inheritable=True)
    sysc.close_range(numbers[-1] + 1, MAX_FD)
    return numbers

"""A separately started spawner: it holds the privileges, listens on a socket, and serves one gateway at a time.

The gateway then needs no privilege at any time. It may choose little (see contract.Attach): the interpreter, the
code and the ids of kernels are the spawner's choice. Each gateway gets its own process, the same that a gateway would
execute itself; the next gateway is served when that process and all its kernels have ended.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import stat
import struct
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from kernels import contract
from kernels.contract import Attach, ContractError, SpawnerOptions
from kernels.sandbox import sysc
from kernels.spawner.zygotes import PASSED_ON

ATTACH_S = 10.0
STOP_S = 15.0
WAITING = 1
"""Gateways that may wait while one is served; a restarted one waits for the clean-up after its predecessor."""
BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from kernels.spawner.main import main; sys.exit(main(sys.argv[1:]))"
)
_INSTANCE = re.compile(r"[0-9a-z]{4,32}")
_UCRED = struct.Struct("iII")


class _StopSignal(Exception):
    """SIGTERM or Ctrl-C."""


def main(arguments: list[str]) -> int:
    """Listen until SIGTERM; the exit code."""
    parser = argparse.ArgumentParser("omega spawner", allow_abbrev=False)
    for name in ("--socket", "--gateway-uid", "--kernel-python", "--app-dir"):
        parser.add_argument(name, required=True, type=int if name == "--gateway-uid" else str)
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    path, serving = Path(options.socket), _Serving()
    try:
        with _bind(path) as listener:
            sys.stderr.write(f"spawner: listening on {path} for the gateway of uid {options.gateway_uid}\n")
            while True:
                _serve_next(listener, options, serving)
    except OSError as error:
        sys.stderr.write(f"spawner: {path}: {error.strerror or error}\n")
        return 1
    except _StopSignal:
        serving.stop()
        path.unlink(missing_ok=True)
        return 0


@dataclass(slots=True)
class _Serving:
    """The process that serves a gateway (0 for none), and its options."""

    pid: int = 0
    told: SpawnerOptions | None = None

    def start(self, connection: socket.socket, told: SpawnerOptions) -> None:
        """Start to serve the gateway behind *connection*."""
        parent = os.getpid()
        self.told = told
        self.pid = os.fork()
        if self.pid == 0:
            _execute(connection, told, parent)

    def wait(self) -> None:
        """Return once it has ended and none of its kernels is left."""
        status, self.pid = os.waitpid(self.pid, 0)[1], 0
        self._clean_up(status)

    def stop(self) -> None:
        """Let it end its kernels, and wait for it; kill it if it takes too long."""
        if not self.pid:
            return
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:  # wait() had just reaped it when the signal came that we end for
            self.pid = 0
            self._clean_up(signal.SIGKILL)
            return
        deadline = time.monotonic() + STOP_S
        while time.monotonic() < deadline:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self.pid = 0
                self._clean_up(status)
                return
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def _clean_up(self, status: int) -> None:
        """After a killed process, start another one that only removes its leftovers."""
        if self.told is None or self.told.only_sweeps or not os.WIFSIGNALED(status):
            return
        sys.stderr.write(f"spawner: the process that served the gateway was killed by signal {os.WTERMSIG(status)}\n")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            self.start(theirs, replace(self.told, only_sweeps=True))
        self.wait()


def _stop(_number: int, _frame: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise _StopSignal


def _bind(path: Path) -> socket.socket:
    """A listening socket that this user and this group can connect to; one left by a predecessor is replaced."""
    if path.exists() and stat.S_ISSOCK(path.lstat().st_mode):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    before = os.umask(0o117)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(WAITING)
    return listener


def _serve_next(listener: socket.socket, options: argparse.Namespace, serving: _Serving) -> None:
    """Serve the next gateway until it disconnects, or refuse it."""
    connection, _address = listener.accept()
    with connection:
        uid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[1]
        if uid != options.gateway_uid:
            sys.stderr.write(f"spawner: connection of uid {uid} refused: it is not the gateway's uid\n")
            return
        try:
            attach = _receive(connection)
        except (ContractError, OSError) as error:
            sys.stderr.write(f"spawner: gateway refused: {error}\n")
            return
        work_root = Path(options.socket).with_name("work")
        work_root.mkdir(mode=0o711, exist_ok=True)
        told = SpawnerOptions(
            instance=attach.instance,
            kernel_python=options.kernel_python,
            app_dir=options.app_dir,
            work_root=str(work_root),
            forks_per_zygote=attach.forks_per_zygote,
            extra_dirs=tuple(attach.extra_dirs),
            extra_uid=uid,
        )
        serving.start(connection, told)
    serving.wait()


def _receive(connection: socket.socket) -> Attach:
    connection.settimeout(ATTACH_S)
    received = contract.receive(connection)
    connection.settimeout(None)
    if received is None:
        raise ContractError("it closed the connection")
    packet, fds = received
    for fd in fds:
        os.close(fd)
    if not isinstance(packet, Attach):
        raise ContractError(f"its first packet was {type(packet).__name__}")
    if not _INSTANCE.fullmatch(packet.instance) or packet.forks_per_zygote < 1:
        raise ContractError("its options are malformed")
    return packet


def _execute(connection: socket.socket, options: SpawnerOptions, parent: int) -> NoReturn:
    try:
        sysc.set_death_signal(signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(0)
        os.set_inheritable(connection.fileno(), True)
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        environment |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        told = (options.app_dir, str(connection.fileno()), options.to_text())
        os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", BOOTSTRAP, *told], environment)
    except BaseException as error:  # noqa: BLE001 - the process entry: nothing may run on as the listener
        sys.stderr.write(f"spawner: start failed: {type(error).__name__}: {error}\n")
        sys.stderr.flush()
    os._exit(71)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

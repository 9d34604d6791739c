"""A spawner for tests: a real process, spoken to as a gateway would."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from gateway.kernel.launch.spawner_process import APP_DIR, BOOTSTRAP, spawner_environment
from kernels import contract
from kernels.contract import (
    CHANNELS,
    Exited,
    Kill,
    Packet,
    Reached,
    Ready,
    Refused,
    Shutdown,
    Spawn,
    SpawnerOptions,
    Started,
)
from tests.kernels.python.harness import PYTHON

PATIENCE_S = 60.0
Answer = TypeVar("Answer", bound=Packet)


@dataclass(slots=True)
class Spawner:
    """A running spawner, spoken to as a gateway would."""

    control: socket.socket
    process: subprocess.Popen[bytes]
    folder: Path

    def hears(self, kind: type[Answer]) -> Answer:
        """The next packet, which has to be a *kind*."""
        packet = self.hears_any()
        assert isinstance(packet, kind), packet
        return packet

    def hears_any(self) -> Packet:
        """The next packet."""
        received = contract.receive(self.control)
        assert received is not None, "the spawner has hung up"
        return received[0]

    def ask(self, key: str = "key", env: dict[str, str] | None = None) -> str:
        """The id of a kernel that has been asked for."""
        kernel_id = secrets.token_hex(8)
        self.send(kernel_id, contract.encode(Spawn(kernel_id, "python", key, env=env or {})))
        return kernel_id

    def send(self, kernel_id: str, packet: bytes) -> None:
        """Send *packet* with the sockets of a kernel beside it."""
        listeners = [_listen(self.folder / f"{kernel_id}-{channel}") for channel in CHANNELS]
        socket.send_fds(self.control, [packet], [listener.fileno() for listener in listeners])
        for listener in listeners:
            listener.close()

    def start(self, key: str = "key", env: dict[str, str] | None = None) -> str:
        """The id of a kernel that has been started."""
        kernel_id = self.ask(key, env)
        assert self.hears(Started).kernel_id == kernel_id
        return kernel_id

    def end(self, kernel_id: str) -> None:
        """The kernel is killed and its end told."""
        contract.send(self.control, Kill(kernel_id))
        assert self.hears(Exited).kernel_id == kernel_id

    def settled_descriptors(self) -> int:
        """How many descriptors it has once it is at rest: it answers in order, so all before this was looked at."""
        folder, deadline = f"/proc/{self.process.pid}/fd", time.monotonic() + PATIENCE_S
        contract.send(self.control, Kill("nobody-at-all"))
        self.hears(Refused)
        count = len(os.listdir(folder))
        while time.monotonic() < deadline:
            time.sleep(0.05)
            if (now := len(os.listdir(folder))) == count:
                break
            count = now
        return count

    def comes_back_to(self, count: int) -> bool:
        """Whether it has no more than *count* descriptors once it had time: what removes control groups takes some."""
        deadline = time.monotonic() + PATIENCE_S
        while self.settled_descriptors() > count and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.settled_descriptors() <= count

    def children(self, mark: str) -> list[int]:
        """Its child processes whose command line holds *mark*; those that end meanwhile are none."""
        told = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [pid for pid in map(int, told.split()) if mark in _text(pid, "cmdline")]


def sweep(dead: Spawner) -> list[int]:
    """Remove what a killed spawner has left, as the gateway does; the processes in its control groups afterwards."""
    *command, _control, text = map(str, dead.process.args)  # type: ignore[arg-type]  # it was started with a list
    options = replace(SpawnerOptions.from_text(text), only_sweeps=True)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        command += [str(theirs.fileno()), options.to_text()]
        subprocess.run(command, pass_fds=(theirs.fileno(),), env=spawner_environment(), check=True)
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if options.instance in _text(pid, "cgroup")]


def _text(pid: int, name: str) -> str:
    """What Linux tells of this process; nothing once it has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text("utf-8", "replace")
    except OSError:
        return ""


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    return listener


@contextmanager
def spawner(**options: Any) -> Iterator[Spawner]:
    """A spawner with these *options*, whose zygote is warm."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with tempfile.TemporaryDirectory(prefix="omega-test-") as folder, ours:
        Path(folder).chmod(0o711)
        ours.settimeout(PATIENCE_S)
        instance = f"test{os.getpid()}-{secrets.token_hex(2)}"
        told = SpawnerOptions(instance, str(PYTHON), APP_DIR, f"{folder}/work", **options)
        Path(told.work_root).mkdir(mode=0o711)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", BOOTSTRAP, APP_DIR, str(theirs.fileno()), told.to_text()],
                pass_fds=(theirs.fileno(),),
                env=spawner_environment(),
            )
        try:
            made = Spawner(ours, process, Path(folder))
            made.hears(Reached)
            made.hears(Ready)
            yield made
            contract.send(ours, Shutdown())
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()

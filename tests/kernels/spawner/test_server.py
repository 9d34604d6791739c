"""A live spawner and its gateway: nothing it is sent brings it down, and what is one kernel's alone stays there."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.kernel.spawner import APP_DIR, BOOTSTRAP, spawner_environment
from kernels import contract
from kernels.contract import (
    CHANNELS,
    Attach,
    Exited,
    Fork,
    Go,
    Interrupt,
    Kill,
    Packet,
    Ready,
    Refused,
    Renew,
    Shutdown,
    Spawn,
    SpawnerOptions,
    Started,
)
from tests.kernels.python.harness import PYTHON

pytestmark = [pytest.mark.process, pytest.mark.sandbox]
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
        received = contract.receive(self.control)
        assert received is not None, "the spawner has hung up"
        assert isinstance(received[0], kind), received[0]
        return received[0]

    def start(self, key: str = "key", env: dict[str, str] | None = None) -> str:
        """The id of a kernel that has been started."""
        kernel_id = secrets.token_hex(8)
        listeners = [_listen(self.folder / f"{kernel_id}-{channel}") for channel in CHANNELS]
        spawn = Spawn(kernel_id, "python", key, env=env or {})
        contract.send(self.control, spawn, tuple(listener.fileno() for listener in listeners))
        for listener in listeners:
            listener.close()
        assert self.hears(Started).kernel_id == kernel_id
        return kernel_id

    def end(self, kernel_id: str) -> None:
        """The kernel is killed and its end told."""
        contract.send(self.control, Kill(kernel_id))
        assert self.hears(Exited).kernel_id == kernel_id

    def children(self, mark: str) -> list[int]:
        """Its child processes whose command line holds *mark*; those that end meanwhile are none."""
        told = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [pid for pid in map(int, told.split()) if mark in _command_line(pid)]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    except OSError:
        return ""


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    return listener


@pytest.fixture(scope="module")
def spawner() -> Iterator[Spawner]:
    """One spawner for this module, whose zygote is warm."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with tempfile.TemporaryDirectory(prefix="omega-test-") as folder, ours:
        ours.settimeout(PATIENCE_S)
        options = SpawnerOptions(f"test{os.getpid()}", str(PYTHON), APP_DIR, f"{folder}/work")
        Path(options.work_root).mkdir(mode=0o711)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", BOOTSTRAP, APP_DIR, str(theirs.fileno()), options.to_text()],
                pass_fds=(theirs.fileno(),),
                env=spawner_environment(),
            )
        try:
            made = Spawner(ours, process, Path(folder))
            made.hears(Ready)
            yield made
            contract.send(ours, Shutdown())
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()


def spawn(**changes: object) -> bytes:
    """A request for a kernel as JSON, with *changes* no dataclass would take."""
    body = json.loads(contract.encode(Spawn("0123456789ab", "python", "key")))
    return json.dumps({**body, **changes}).encode()


DROPPED = [
    b"\xff\xfe",
    b"null",
    b"[" * 150_000,
    b'{"kind":' * 10_000,
    b"x" * contract.PACKET_BYTES,
    json.dumps({"kind": "Kill", "kernel_id": "x" * 2 * contract.PACKET_BYTES}).encode()[: contract.PACKET_BYTES + 10_000],
    json.dumps({"kind": ["Spawn"]}).encode(),
    json.dumps({"kind": "Kill", "kernel_id": 7}).encode(),
    spawn(language="perl"),
    spawn(kernel_id=None),
    spawn(key=["key"]),
    spawn(env={"A": 1}),
    spawn(policy="none"),
    *(spawn(policy={"memory_bytes": value}) for value in (-1, 0, 2**70, "1", None, True)),
    *(spawn(policy={"cpu_cores": value}) for value in (float("nan"), float("inf"), -1.0, 0)),
    spawn(more=1),
    # Words that others say, or that are said elsewhere.
    contract.encode(Attach("other")),
    contract.encode(Ready("L3", "3")),
    contract.encode(Started("0123456789ab", 1)),
    contract.encode(Fork("0123456789ab", "python", "L3", 0, 0, "/")),
    contract.encode(Go("key")),
]
REFUSED = [
    spawn(kernel_id=""),
    spawn(kernel_id="../../../../tmp/x"),
    spawn(kernel_id="x" * 10_000),
    spawn(kernel_id="0123456789ab\n"),
    spawn(kernel_id="0123456789AB\0"),
]


def test_no_packet_brings_a_spawner_down(spawner: Spawner) -> None:
    """Malformed, huge and foreign packets, with descriptors beside them: dropped or refused, and no kernel dies of them."""
    neighbour = spawner.start()
    opened = _settled_descriptors(spawner)
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(40)]
    for packet in DROPPED:
        for count in (0, 1, len(CHANNELS), len(held)):
            socket.send_fds(spawner.control, [packet], held[:count])
    for packet in REFUSED:
        socket.send_fds(spawner.control, [packet], held[: len(CHANNELS)])
        assert spawner.hears(Refused).step == "request"
    for count in (0, 1, 3, 5, 16):
        contract.send(spawner.control, Spawn("0123456789ab", "python", "key"), tuple(held[:count]))
        assert "sockets were passed" in spawner.hears(Refused).reason
    contract.send(spawner.control, replace(Spawn(neighbour, "python", "key")), tuple(held[: len(CHANNELS)]))
    assert "there is a kernel with this id" in spawner.hears(Refused).reason
    for nobody in ("", "x" * 1000, "0123456789ab"):
        contract.send(spawner.control, Interrupt(nobody))
        contract.send(spawner.control, Kill(nobody))
        assert spawner.hears(Refused).kernel_id == nobody
    for folder in ("relative", "/nonexistent", "/tmp/\0", "/etc/../etc", "x" * 5000):
        contract.send(spawner.control, Renew([folder]), tuple(held[:2]))
    for fd in held:
        os.close(fd)
    other = spawner.start()
    spawner.end(other)
    assert _settled_descriptors(spawner) == opened
    spawner.end(neighbour)


def _settled_descriptors(spawner: Spawner) -> int:
    """How many descriptors the spawner has once it is at rest: it answers in order, so all before this was looked at."""
    folder, deadline = f"/proc/{spawner.process.pid}/fd", time.monotonic() + 5
    contract.send(spawner.control, Kill("nobody-at-all"))
    spawner.hears(Refused)
    count = len(os.listdir(folder))
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if (now := len(os.listdir(folder))) == count:
            break
        count = now
    return count


@pytest.mark.skipif(os.geteuid() != 0, reason="looks into the memory of a process that is not dumpable")
def test_the_zygote_never_has_what_is_one_kernels_alone(spawner: Spawner) -> None:
    """Keys and environments travel past it: nothing of an earlier kernel can be in the memory of a later one."""
    keys, values = ([secrets.token_hex(16) for _ in range(3)] for _ in range(2))
    for key, value in zip(keys, values, strict=True):
        spawner.end(spawner.start(key, {"SECRET": value}))
    (zygote,) = spawner.children("kernels.zygote")
    assert _found(zygote, [spawner.process.args[-1].encode()[:24]]) == [], "the spawner's options are not the zygote's"
    assert _found(zygote, [b"MPLBACKEND"]), "the look itself finds what is there"
    assert _found(zygote, [word.encode() for word in (*keys, *values)]) == []


def _found(pid: int, needles: list[bytes]) -> list[bytes]:
    """Those of *needles* that are in the writable memory of *pid*."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, rights = line.split()[:2]
            if "rw" not in rights:
                continue
            start, end = (int(part, 16) for part in area.split("-"))
            memory.seek(start)
            data = memory.read(end - start)
            found += [needle for needle in needles if needle in data]
    return found

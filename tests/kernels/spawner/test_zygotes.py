"""A real zygote, spoken to as its spawner would."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.kernel.launch.spawner_process import APP_DIR
from kernels import contract
from kernels.contract import CHANNELS, Fork, Forked, Level, Reap, Reaped, Warm
from kernels.sandbox import root
from kernels.spawner.zygotes import zygote_environment
from tests.kernels.python.harness import PYTHON

pytestmark = pytest.mark.process
PATIENCE_S = 60.0
FORKS = 10_000 if os.environ.get("OMEGA_SOAK_ROUNDS") else 600
"""Ten thousand in the long soak: five lives of a zygote."""
GROWTH_BYTES = 5 * 2**20


@dataclass(frozen=True, slots=True)
class RealZygote:
    """A warm zygote, the channel to it, and what it has left on the machine."""

    pid: int
    channel: socket.socket
    left: frozenset[str]


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealZygote]:
    """A zygote on the machine itself; its temporary files have a place of their own: others make theirs in /tmp."""
    folder = tmp_path_factory.mktemp("zygote")
    before = traces(folder)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(PATIENCE_S)
    spec = root.RootSpec(str(PYTHON), APP_DIR, home=root.describe_python(str(PYTHON)))
    told = json.dumps({"extra": [], "readable": root.plain_paths(spec), "shown": []})
    with ours, theirs:
        command = root.plain_command(spec, str(theirs.fileno()), told)
        process = subprocess.Popen(
            command, pass_fds=(theirs.fileno(),), env=zygote_environment(Level.L1) | {"TMPDIR": str(folder)}
        )
        theirs.close()
        try:
            received = contract.receive(ours)
            assert received is not None and isinstance(received[0], Warm)
            for fd in received[1]:
                os.close(fd)
            yield RealZygote(process.pid, ours, frozenset(traces(folder) - before))
            ours.close()
            assert process.wait(PATIENCE_S) == 0, "a zygote ends with its spawner"
        finally:
            process.kill()
            process.wait()


def traces(folder: Path) -> set[str]:
    """What the libraries make where they find no home: caches in /tmp, or a home; and all that is in *folder*."""
    made = {name for name in os.listdir("/tmp") if name.startswith(("matplotlib-", ".ipython"))}
    return made | {name for name in os.listdir("/") if name == "nonexistent"} | set(os.listdir(folder))


def test_a_zygote_on_the_machine_itself_leaves_nothing_there(zygote: RealZygote) -> None:
    """At level 1 it has no root of its own; also root's zygote makes neither a home nor caches that stay."""
    assert not zygote.left


def fork(channel: socket.socket, sockets: list[socket.socket]) -> int:
    """The wait status of a kernel that was forked and never let in."""
    gate, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = Fork("0123456789ab", "python", "L1", os.getuid(), os.getgid(), "/tmp")
    with gate, theirs:
        contract.send(channel, request, (*(one.fileno() for one in sockets), theirs.fileno()))
    forked = hear(channel)
    assert isinstance(forked, Forked) and forked.pid > 0, forked
    contract.send(channel, Reap(forked.pid))
    reaped = hear(channel)
    assert isinstance(reaped, Reaped) and reaped.pid == forked.pid
    return reaped.status


def hear(channel: socket.socket) -> contract.Packet:
    """The zygote's next packet."""
    received = contract.receive(channel)
    assert received is not None, "the zygote has ended"
    return received[0]


def test_a_zygote_does_not_grow_with_its_forks(zygote: RealZygote) -> None:
    """No memory, descriptor, thread or dead child stays behind, whatever the number of forks."""
    pid, channel = zygote.pid, zygote.channel
    sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in CHANNELS]
    for _ in range(20):
        assert os.waitstatus_to_exitcode(fork(channel, sockets)) == 70
    before = look(pid)
    for _ in range(FORKS):
        fork(channel, sockets)
    after = look(pid)
    for one in sockets:
        one.close()
    assert after[1:] == before[1:]
    assert after[0] - before[0] < GROWTH_BYTES * FORKS / 10_000 + 2**17


def look(pid: int) -> tuple[int, int, int, str]:
    """Memory in bytes, descriptors, threads and children of *pid*."""
    place = Path(f"/proc/{pid}")
    found = re.search(r"RssAnon:\s+(\d+)", (place / "status").read_text())
    assert found
    children = (place / f"task/{pid}/children").read_text()
    return int(found[1]) * 1024, len(os.listdir(place / "fd")), len(os.listdir(place / "task")), children

"""A live spawner and its gateway: nothing it is sent brings it down, and what is one kernel's alone stays there."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kernels import contract
from kernels.contract import (
    CHANNELS,
    Attach,
    Fork,
    Go,
    Interrupt,
    Kill,
    NotRenewed,
    Ready,
    Refused,
    Renew,
    Spawn,
    Started,
)
from tests.kernels.spawner import harness
from tests.kernels.spawner.harness import Spawner

pytestmark = [pytest.mark.process, pytest.mark.sandbox]


@pytest.fixture(scope="module")
def spawner() -> Iterator[Spawner]:
    """One spawner for this module, whose zygote is warm."""
    with harness.spawner() as made:
        yield made


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
    opened = spawner.settled_descriptors()
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
    assert "a kernel with this id exists already" in spawner.hears(Refused).reason
    for nobody in ("", "x" * 1000, "0123456789ab"):
        contract.send(spawner.control, Interrupt(nobody))
        contract.send(spawner.control, Kill(nobody))
        assert spawner.hears(Refused).kernel_id == nobody
    for folder in ("relative", "/nonexistent", "/tmp/\0", "/etc/../etc", "x" * 5000):
        contract.send(spawner.control, Renew([folder]), tuple(held[:2]))
        spawner.hears(NotRenewed)
    for fd in held:
        os.close(fd)
    other = spawner.start()
    spawner.end(other)
    assert spawner.settled_descriptors() == opened
    spawner.end(neighbour)


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

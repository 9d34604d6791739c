"""One spawner after another, with spawners that are only a socket; with real ones: tests/gateway/test_serve.py."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from gateway.core import outage
from gateway.core.errors import Unavailable
from gateway.kernel.launch import kept_spawner
from gateway.kernel.launch.kept_spawner import KeptSpawner
from kernels import contract
from kernels.contract import ContractError, Interrupt, Packet, Ready, Renewed, Shutdown
from tests.live import HANG_S

KILLED = -9


@dataclass
class FakeSpawner:
    """A spawner that ends when it is told to, or with *code* by itself; *theirs* is its end of the socket."""

    control: socket.socket
    theirs: socket.socket
    ended: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    is_obedient: bool = True

    def end(self, code: int) -> None:
        """Its process is gone."""
        self.theirs.close()
        if not self.ended.done():
            self.ended.set_result(code)

    async def wait(self) -> int:
        """Its exit code."""
        return await asyncio.shield(self.ended)

    def hung_up(self) -> None:
        """It ends itself when it is no longer listened to."""
        if self.is_obedient:
            self.end(0)

    def kill(self) -> None:
        """The last resort."""
        self.end(KILLED)


@dataclass
class World:
    """Opens spawners; the next *refusals* can't be opened. What they say is *said* unless it is nothing a spawner says."""

    refusals: list[Exception] = field(default_factory=list)
    is_ready: bool = True
    opened: list[FakeSpawner] = field(default_factory=list)
    said: list[Packet] = field(default_factory=list)
    lost: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def open_spawner(self) -> FakeSpawner:
        """Another one, which is ready at once if *is_ready*."""
        self.changed.set()
        if self.refusals:
            raise self.refusals.pop(0)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.opened.append(FakeSpawner(ours, theirs))
        if self.is_ready:
            contract.send(theirs, Ready("L1", "3"))
        return self.opened[-1]

    def heard(self, packet: Packet) -> None:
        """Notes it."""
        if isinstance(packet, Interrupt):
            raise ContractError("unexpected packet Interrupt from the spawner")
        self.said.append(packet)
        self.changed.set()

    def spawner_lost(self) -> None:
        """Counts it."""
        self.lost += 1
        self.changed.set()

    async def until(self, count: int) -> FakeSpawner:
        """The last of so many spawners, once it was opened and what it said at once was heard."""
        async with asyncio.timeout(HANG_S):
            while len(self.opened) < count:
                self.changed.clear()
                await self.changed.wait()
        for _ in range(3):
            await asyncio.sleep(0)
        return self.opened[-1]


@pytest.fixture
async def kept(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[KeptSpawner, World]]:
    """One that has a first spawner, and tries again without a delay; closed afterwards."""
    monkeypatch.setattr(outage, "DELAYS_S", (0.0, 0.0))
    world = World()
    spawner = KeptSpawner(world)
    await spawner.start()
    yield spawner, world
    for one in world.opened:
        one.is_obedient = True
    async with asyncio.timeout(HANG_S):
        closing = asyncio.create_task(spawner.close())
        await asyncio.sleep(0)
        for one in world.opened:
            one.end(0)
        await closing


Kept = tuple[KeptSpawner, World]


async def test_there_is_no_last_attempt(kept: Kept) -> None:
    """However many spawners die before they are ready, and whatever goes wrong when one is opened."""
    spawner, world = kept
    world.is_ready = False
    failures: list[Exception] = [
        Unavailable("no"),
        RuntimeError("can't start new thread"),
        MemoryError(),
        OSError(12, "full"),
    ]
    with capture_logs() as logs:
        world.opened[0].end(KILLED)
        await world.until(2)
        since = spawner.unavailable_since
        for number in range(2, 20):
            world.refusals = failures[: number % 5]
            world.opened[-1].end(1)
            await world.until(number + 1)
            with pytest.raises(Unavailable):
                _ = spawner.ready
        world.is_ready = True
        world.opened[-1].end(1)
        await world.until(21)
    assert spawner.ready.level == "L1"
    assert spawner.unavailable_since is None and since is not None
    ended = [line for line in logs if line["event"] == "spawner exited"]
    assert [line["exit_code"] for line in ended] == [KILLED] + [1] * 19
    assert ended[0]["log_level"] == "warning" and ended[-1]["log_level"] == "error"
    refused = [line for line in logs if line["event"] == "spawner start failed"]
    assert len(refused) == sum(number % 5 for number in range(2, 20))
    assert logs[-1]["event"] == "spawner started"


async def test_the_outage_is_told_from_its_beginning(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from the last attempt."""
    spawner, world = kept
    now = 1_700_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    assert spawner.unavailable_since is None
    world.is_ready = False
    for number in range(1, 5):
        world.opened[-1].end(1)
        await world.until(number + 1)
        now += 60
        assert spawner.unavailable_since == 1_700_000_000.0


@pytest.mark.parametrize("said", [b"nonsense", b'{"kind": "Ready", "level": 3}', contract.encode(Interrupt("k"))])
async def test_one_that_cannot_be_understood_is_replaced(kept: Kept, said: bytes) -> None:
    """It may be of another version: nobody can tell what it meant. That is logged, and nothing of it goes on."""
    spawner, world = kept
    with capture_logs() as logs:
        world.opened[0].theirs.send(contract.encode(Renewed([])))
        world.opened[0].theirs.send(said)
        world.opened[0].theirs.send(contract.encode(Renewed([])))
        await world.until(2)
    assert spawner.ready.level == "L1"
    assert (len(world.said), world.lost) == (1, 1)
    assert [line["event"] for line in logs][:2] == ["spawner rejected", "spawner exited"]


async def test_one_that_does_not_end_by_itself_is_killed(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it was hung up on."""
    monkeypatch.setattr(kept_spawner, "CLOSE_S", 0.01)
    spawner, world = kept
    world.opened[0].is_obedient = False
    world.opened[0].theirs.send(b"nonsense")
    await world.until(2)
    assert world.opened[0].ended.result() == KILLED
    assert spawner.ready.level == "L1"


async def test_one_that_never_gets_ready_is_replaced(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the start, nobody waits for ever."""
    monkeypatch.setattr(kept_spawner, "READY_S", 0.01)
    spawner, world = kept
    world.is_ready = False
    world.opened[0].end(KILLED)
    await world.until(3)
    world.is_ready = True
    await world.until(len(world.opened) + 1)
    assert spawner.ready.level == "L1"


async def test_closing_does_not_wait_for_the_next_attempt(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """And tells that the last one was killed, so that somebody removes what it left."""
    monkeypatch.setattr(outage, "DELAYS_S", (100_000.0,))
    spawner, world = kept
    world.opened[0].end(KILLED)
    while not world.lost:
        world.changed.clear()
        await world.changed.wait()
    async with asyncio.timeout(HANG_S):
        assert await spawner.close() is False
    assert (len(world.opened), world.lost) == (1, 1)


@pytest.mark.parametrize(("code", "is_clean"), [(0, True), (1, False), (KILLED, False)])
async def test_closing_tells_a_spawner_to_end_and_has_no_other(kept: Kept, code: int, is_clean: bool) -> None:
    """Whether it removed every trace is known from its exit code."""
    spawner, world = kept
    closing = asyncio.create_task(spawner.close())
    received = await asyncio.to_thread(contract.receive, world.opened[0].theirs)
    assert received is not None and isinstance(received[0], Shutdown)
    world.opened[0].end(code)
    assert await closing is is_clean
    assert (len(world.opened), world.lost) == (1, 1)
    with pytest.raises(Unavailable):
        spawner.send(Shutdown())

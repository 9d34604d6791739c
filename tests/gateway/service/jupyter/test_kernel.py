"""A kernel of the Jupyter API: what becomes of requests while there is no process behind it, and when there is another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import orjson
import pytest

from gateway.core.errors import Unavailable
from gateway.core.jupyter import Relayed, read
from gateway.core.model import Death
from gateway.kernel.client import KernelClient
from gateway.service.jupyter.kernel import MAX_WAITING, MAX_WAITING_BYTES, JupyterKernel, KernelRecipe
from gateway.service.jupyter.life import MOST_DEATHS
from tests.fakes import CRASH, FakeKernel

WAIT_S = 60.0
"""For what is to come at once: the end of a test that waits in vain."""


@dataclass
class Client:
    """A client that notes what it gets; see jupyter_listener.Listener."""

    got: list[Relayed] = field(default_factory=list)
    news: asyncio.Queue[Relayed] = field(default_factory=asyncio.Queue)
    listener_id: str = "ada"
    session_id: str = ""
    taken_bytes: int = 0
    is_served: bool = True

    def deliver(self, messages: Sequence[Relayed]) -> None:
        self.got += messages
        for message in messages:
            self.news.put_nowait(message)

    async def until(self, kind: str, parent_id: str = "", state: str = "") -> None:
        """Read on until such a message comes."""
        async with asyncio.timeout(WAIT_S):
            while True:
                message = await self.news.get()
                if (message.head.msg_type, message.head.parent_id, message.state) == (kind, parent_id, state):
                    return

    def take_back(self) -> Sequence[Relayed]:
        return ()

    def end(self, code: int, reason: str) -> None:
        raise AssertionError(f"closed with {code}: {reason}")


async def none_to_be_had() -> KernelClient:
    raise Unavailable("There are no kernels.")


def asking(msg_id: str, text: str = "") -> Relayed:
    header = {"msg_id": msg_id, "msg_type": "execute_request"}
    return read("shell", [orjson.dumps(part) for part in (header, {}, {}, {"code": text, "silent": False})])


def shutdown(content: bytes) -> Relayed:
    return read("control", [b'{"msg_id": "s", "msg_type": "shutdown_request"}', b"{}", b"{}", content])


GONE = Death(0, 0, out_of_memory=False, asked=False)


class World:
    """A kernel on processes that speak, and a client; *fakes* are the processes so far."""

    def __init__(self) -> None:
        self.fakes: list[FakeKernel] = []
        self.discarded: list[asyncio.Task[Death]] = []
        self.was_shut_down = asyncio.Event()
        recipe = KernelRecipe("python3", self._start, self._discard, 1000)
        self.kernel = JupyterKernel("k", recipe, self.was_shut_down.set)
        self.client = Client()
        self.kernel.connect(self.client)

    async def _start(self) -> KernelClient:
        self.fakes.append(FakeKernel())
        client = KernelClient(self.fakes[-1], memory_bytes=1)
        await client.connect()
        return client

    def _discard(self, kernel: KernelClient) -> None:
        self.discarded.append(asyncio.create_task(kernel.kill()))

    async def works(self, msg_id: str) -> None:
        """Return once a run on the present process has been answered."""
        self.kernel.send(asking(msg_id), self.client)
        await self.client.until("execute_reply", msg_id)

    async def close(self) -> None:
        """End the kernel and all processes."""
        self.kernel.audience.disconnect(self.client)
        await self.kernel.shut_down()
        for fake in self.fakes:
            await fake.close()
        await asyncio.gather(*self.discarded)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.kernel.start()
    yield made
    await made.close()


def refused(client: Client) -> list[str]:
    """Which requests were answered with an error."""
    return [message.head.parent_id for message in client.got if message.head.msg_type == "execute_reply"]


async def test_what_waits_for_a_process_is_bounded() -> None:
    """In number and in bytes; what is over is answered at once, and the rest keeps its place."""
    for text, room in (("", MAX_WAITING), ("x" * (MAX_WAITING_BYTES // 3), 2)):
        kernel, client = (
            JupyterKernel("k", KernelRecipe("python3", none_to_be_had, lambda _kernel: None, 1000), lambda: None),
            Client(),
        )
        kernel.connect(client)
        for number in range(room):
            kernel.send(asking(f"r{number}", text), client)
        assert refused(client) == []
        kernel.send(asking("over", text), client)
        assert refused(client) == ["over"]


@pytest.mark.parametrize(
    "content", [b'{"restart":\ttrue}', b'{"r\\u0065start" : true}', b'{"restart":false,"restart":true}']
)
async def test_a_shutdown_for_a_restart_has_another_process_follow(world: World, content: bytes) -> None:
    """However JSON lets a client say so; to be asked for is no death of the kind that is counted."""
    for number in range(MOST_DEATHS + 2):
        await world.works(f"r{number}")
        world.kernel.send(shutdown(content), world.client)
        world.fakes[-1].die(GONE)
        await world.client.until("status", state="restarting")
    await world.works("last")
    assert len(world.fakes) == MOST_DEATHS + 3
    assert not world.was_shut_down.is_set()


@pytest.mark.parametrize("content", [b"{}", b'{"restart":\tfalse}', b'{"restart":true,"r\\u0065start":false}'])
async def test_a_shutdown_has_no_process_follow(world: World, content: bytes) -> None:
    """The kernel is dead, and whoever keeps it learns that it may be forgotten."""
    await world.works("r")
    world.kernel.send(shutdown(content), world.client)
    world.fakes[-1].die(GONE)
    await world.client.until("status", state="dead")
    assert world.was_shut_down.is_set()
    assert len(world.fakes) == 1


async def test_a_kernel_that_dies_again_and_again_is_given_up(world: World) -> None:
    """Each time another process follows, until it has been too often in a row; a restart by the client begins anew."""
    for number in range(MOST_DEATHS):
        await world.works(f"r{number}")
        world.fakes[-1].die(CRASH)
        await world.client.until("status", state="restarting")
    await world.works("last")
    world.fakes[-1].die(CRASH)
    await world.client.until("status", state="dead")
    assert len(world.fakes) == MOST_DEATHS + 1
    assert not world.was_shut_down.is_set()

"""A Jupyter client's WebSocket with a kernel that only a test speaks for."""

from __future__ import annotations

import asyncio
import uuid

import orjson
import pytest

from gateway.core.errors import Unavailable
from gateway.core.jupyter import Relayed, read
from gateway.kernel.client import KernelClient
from gateway.service.jupyter import clients
from gateway.service.jupyter.kernel import JupyterKernel, KernelRecipe
from gateway.service.jupyter.table import JupyterKernels
from gateway.web.jupyter.channels import KernelChannels
from tests.gateway.web.edge.test_unread import watching
from tests.gateway.web.world import Gateway
from tests.live import HANG_S

MIB = 1024 * 1024


async def none_to_be_had() -> KernelClient:
    raise Unavailable("There are no kernels.")


@pytest.fixture
async def kernel(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> JupyterKernel:
    """The one kernel of every caller."""
    made = JupyterKernel(
        str(uuid.uuid4()), KernelRecipe("python3", none_to_be_had, lambda _kernel: None, 8 * MIB), lambda: None
    )
    monkeypatch.setattr(JupyterKernels, "find", lambda *_: made)
    return made


def said(number: int, size: int) -> Relayed:
    """A message of a kernel."""
    header = {"msg_id": str(number), "msg_type": "display_data"}
    return read("iopub", [orjson.dumps(header), b"{}", b"{}", orjson.dumps({"x": "y" * size})])


async def test_what_is_said_with_pings_between_arrives_whole_and_in_order(gateway: Gateway, kernel: JupyterKernel) -> None:
    """However full the connection is when it is said; and nothing is held once all has arrived."""
    client = await gateway.connect(f"/api/kernels/{kernel.kernel_id}/channels")
    await until(lambda: kernel.connections == 1)
    (socket,) = gateway.server.open_sockets._open
    for number in range(60):
        kernel.audience.hand_on([said(number, number % 7 * 50_000)])
        socket.ping(b"x")  # type: ignore[attr-defined]  # it is a WebSocketHandler
    heard = [orjson.loads(str(await client.read_message())) for _ in range(60)]
    assert [one["msg_id"] for one in heard] == [str(number) for number in range(60)]
    assert [len(one["content"]["x"]) for one in heard] == [number % 7 * 50_000 for number in range(60)]
    await until(lambda: kernel.audience.held_bytes == 0)


async def test_one_who_does_not_read_is_closed_and_holds_nobody_up(
    gateway: Gateway, kernel: JupyterKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other client stays, and gets what is said after; what was held for the one is let go."""
    monkeypatch.setattr(clients, "PATIENCE_S", 0.1)
    client = await gateway.connect(f"/api/kernels/{kernel.kernel_id}/channels")
    with watching(gateway, f"/api/kernels/{kernel.kernel_id}/channels"):
        await until(lambda: kernel.connections == 2)
        for number in range(8):
            kernel.audience.hand_on([said(number, MIB)])
            await client.read_message()
        assert kernel.audience.held_bytes >= 7 * MIB
        sockets = [socket for socket in gateway.server.open_sockets._open if isinstance(socket, KernelChannels)]
        await until(lambda: any(socket._ending for socket in sockets))
        told = {socket._ending[0] for socket in sockets if socket._ending}
        assert told == {clients.TOO_SLOW}
    await until(lambda: kernel.connections == 1)
    await until(lambda: kernel.audience.held_bytes == 0)
    kernel.audience.hand_on([said(8, 10)])
    assert orjson.loads(str(await client.read_message()))["msg_id"] == "8"


async def until(holds: object) -> None:
    """Return once *holds* does."""
    assert callable(holds)
    async with asyncio.timeout(HANG_S):
        while not holds():  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)

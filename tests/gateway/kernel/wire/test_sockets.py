"""The gateway's ends of a kernel's sockets: what a lost connection leaves in memory."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import Generator
from pathlib import Path

from gateway.core.validate import Channel
from gateway.kernel.launch.launcher import ConnectionInfo
from gateway.kernel.wire.sockets import RUN_CHANNELS, KernelSockets, Loss
from gateway.kernel.wire.zmtp import GREETING, encode_ready
from tests.fakes import short_directory
from tests.live import HANG_S

MIB = 2**20
LIMIT_BYTES = 4 * MIB
UNFINISHED = (b"\x03" + (4096).to_bytes(8, "big") + bytes(4096)) * (2 * LIMIT_BYTES // 4096)
"""Frames that announce another one each, without end."""


async def _listen(directory: Path) -> list[asyncio.Server]:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING + encode_ready("ROUTER") + UNFINISHED)
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    return [await asyncio.start_unix_server(serve, directory / channel) for channel in RUN_CHANNELS]


async def test_nothing_is_held_of_a_message_that_never_ended() -> None:
    """Also while somebody still knows the connection: garbage is looked for seldom, and a kernel decides how much it is."""
    lost: dict[Channel, Loss] = {}
    are_lost = asyncio.Event()

    def lose(channel: Channel, loss: Loss) -> None:
        lost[channel] = loss
        are_lost.set() if len(lost) == len(RUN_CHANNELS) else None

    def hear(_channel: Channel, _messages: list[list[bytes]]) -> Generator[int, None, int]:
        yield from ()
        return 0

    directory = short_directory()
    servers = await _listen(directory)
    tracemalloc.start()
    try:
        sockets = KernelSockets(ConnectionInfo(str(directory), ""), hear, lose, max_message_bytes=LIMIT_BYTES)
        async with asyncio.timeout(HANG_S):
            await are_lost.wait()
        held_bytes, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await sockets.close()
        for server in servers:
            server.close()
    assert lost == dict.fromkeys(RUN_CHANNELS, "exceeded")
    assert peak_bytes > LIMIT_BYTES
    assert held_bytes < MIB

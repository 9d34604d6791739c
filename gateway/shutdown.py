"""The end of a gateway: the drain of running work, and the last answers to clients."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from gateway.service.drain import Drain
from gateway.web.edge.server import Server
from gateway.web.edge.websocket_frames import GOING_AWAY

ENDED: Final = 0
CUT_SHORT: Final = 1
FLUSH_S, GOODBYE_S = 5.0, 2.0
FLUSH_STEP_S = 0.02
SHUTTING_DOWN = "the gateway is shutting down"
_log = structlog.get_logger("omega")


async def wind_down(server: Server, drain: Drain, drain_s: float) -> int:
    """Wait for running work; new connections are refused, and new runs on open ones get 503. Returns the exit code."""
    drain.close()
    server.stop()
    server.open_sockets.end_idle(GOING_AWAY, SHUTTING_DOWN)
    _log.info("draining", runs=drain.inside, drain_s=drain_s)
    is_clean = await drain.wait_empty(drain_s)
    if not is_clean:
        _log.warning("drain timed out", runs=drain.inside)
    await _flush(server)
    await server.open_sockets.end(GOING_AWAY, SHUTTING_DOWN, GOODBYE_S)
    return ENDED if is_clean else CUT_SHORT


async def _flush(server: Server) -> None:
    """Wait until the last answers are on their way; Tornado has no event for that, and this happens once."""
    deadline = time.monotonic() + FLUSH_S
    await asyncio.sleep(FLUSH_STEP_S)
    while _is_writing(server) and time.monotonic() < deadline:  # noqa: ASYNC110  # see above
        await asyncio.sleep(FLUSH_STEP_S)


def _is_writing(server: Server) -> bool:
    return server.open_sockets.is_busy or any(connection.stream.writing() for connection in server._connections)

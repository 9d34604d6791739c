"""The endpoint that tells, as server-sent events, what changes in a session's work directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from gateway.core.errors import GatewayError
from gateway.core.files import FileChanged
from gateway.core.model import Json
from gateway.web.api import server_sent_events
from gateway.web.api.files import depth_of, describe_entry, directory_of
from gateway.web.edge.endpoint import EVENT_STREAM, Endpoint, Reply, begin_events
from gateway.web.services import Services

PARAMETERS = ("path", "depth")


class FileChanges(Endpoint):
    """Tells which files and directories of a session come, change and go, as server-sent events."""

    is_busy = False
    """A gateway that shuts down does not wait for it; see open_sockets.OpenSocket."""

    def initialize(self, services: Services, route: str) -> None:
        super().initialize(services, route)
        self._goodbye: dict[str, Json] | None = None
        self._ending = asyncio.Event()

    def end(self, code: int, reason: str) -> None:
        """Tell the client *code* and *reason*, and end the answer."""
        self._goodbye = {"type": "closed", "code": code, "reason": reason}
        self._ending.set()

    def drop(self) -> None:
        """Disconnect at once."""
        self._stream.close()

    async def on_get(self) -> Reply:
        under, depth = directory_of(self), depth_of(self)
        async with self.services.files.watch(self.parts["session_id"], self.caller, under, depth) as changes:
            self._sockets.enter(self)
            try:
                begin_events(self)
                if self.request.method == "GET":
                    await self._tell_until_end(changes)
            finally:
                self._sockets.leave(self)
        return Reply(b"", EVENT_STREAM)

    async def _tell_until_end(self, changes: AsyncIterator[FileChanged | None]) -> None:
        """Tell what changes until the session or the gateway ends."""
        telling, ending = asyncio.ensure_future(self._tell(changes)), asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({telling, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel()
            ending.cancel()
            said, _ = await asyncio.gather(telling, ending, return_exceptions=True)
        if self._goodbye is None and isinstance(said, GatewayError):
            self._goodbye = {"type": "closed", "code": said.status, "reason": said.message}
        if self._goodbye is not None:
            await self._write(self._goodbye)
        elif isinstance(said, Exception):
            raise said

    async def _tell(self, changes: AsyncIterator[FileChanged | None]) -> None:
        await self._write({"type": "watching"})
        async for found in changes:
            if found is None:
                await self.write_piece(server_sent_events.KEEPALIVE)
            elif found.entry is None:
                await self._write({"type": "gap"})
            else:
                await self._write({"type": found.change, "file": describe_entry(found.entry)})

    async def _write(self, event: dict[str, Json]) -> None:
        await self.write_piece(server_sent_events.encode(None, event))

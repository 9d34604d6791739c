"""A run whose events come while it goes on, on asyncio; see `streams`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from omega_client import endpoints, wire
from omega_client.async_link import AsyncLink
from omega_client.errors import Conflict, ConnectionFailed, Gone
from omega_client.events import Event, Gathered, read_event
from omega_client.host_tools import HostTools, read_call
from omega_client.results import Run
from omega_client.sse import EventReader


class AsyncEventStream:
    """The events of one run; `run` is there when they have ended. Leaving the `async with` before that stops the run."""

    def __init__(self, link: AsyncLink, request: wire.Request, tools: HostTools) -> None:
        self._link = link
        self._request = endpoints.streamed(request)
        self._tools = tools
        self._gathered = Gathered()
        self._events = self._receive()
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def run(self) -> Run:
        """The run as a whole. Raises ConnectionFailed before its end."""
        return self._gathered.run

    async def __aenter__(self) -> AsyncEventStream:
        """For `async with`."""
        return self

    async def __aexit__(self, *how: object) -> None:
        """Stop."""
        await self.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        """The events that have not been read yet."""
        return self._events

    async def close(self) -> None:
        """Stop the run, if it goes on."""
        await self._events.aclose()

    async def _receive(self) -> AsyncGenerator[Event, None]:
        reader, run_id = EventReader(), ""
        try:
            async with self._link.pieces(self._request) as pieces:
                async for piece in pieces:
                    for data in reader.feed(piece):
                        event = read_event(data)
                        run_id = str(event.fields.get("runId") or run_id)
                        self._gathered.add(event)
                        if event.type == "tool_call":
                            self._answering.add(asyncio.ensure_future(self._answer(run_id, event)))
                        yield event
            await asyncio.gather(*self._answering)
        finally:
            for task in self._answering:
                task.cancel()
        if not self._gathered.is_over:
            raise ConnectionFailed("The stream ended before the run did.")

    async def _answer(self, run_id: str, event: Event) -> None:
        result = await self._tools.answer_async(read_call(event.fields))
        with suppress(Conflict, Gone):  # the run is over: its last event says how
            await self._link.json(wire.post(endpoints.results_path(run_id), {"results": [result]}))

"""A run whose events come while it goes on, on asyncio; see `streams`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import suppress
from typing import Any

from omega_client import endpoints, wire
from omega_client.async_link import AsyncLink
from omega_client.errors import Conflict, ConnectionFailed, Gone, NotFound
from omega_client.events import Event, Gathered, read_event
from omega_client.host_tools import HostCall, HostTools, read_call
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

    async def whole(self) -> Run:
        """The run, after its end."""
        async with self:
            async for _ in self:
                pass
        return self.run

    async def _receive(self) -> AsyncGenerator[Event, None]:
        reader, run_id = EventReader(), ""
        answers = _Answers(self._link, self._tools)
        try:
            async with self._link.pieces(self._request) as pieces:
                while (piece := await answers.meanwhile(pieces.__anext__())) is not None:
                    for data in reader.feed(piece):
                        event = read_event(data)
                        run_id = str(event.fields.get("runId") or run_id)
                        self._gathered.add(event)
                        if event.type == "tool_call":
                            answers.begin(run_id, event)
                        yield event
        finally:
            await answers.close()
        if not self._gathered.is_over:
            raise ConnectionFailed("The stream ended before the run did.")


class _Answers:
    """Carries calls out side by side. Results that are there together are sent together."""

    def __init__(self, link: AsyncLink, tools: HostTools) -> None:
        self._link = link
        self._tools = tools
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready: list[dict[str, Any]] = []
        self._sends = False
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def meanwhile(self, coming: Awaitable[bytes]) -> bytes | None:
        """The piece that is *coming*, None at the end. Raises what kept a result from being sent: the run waits for it."""
        next_one = asyncio.ensure_future(coming)
        try:
            waiting: list[asyncio.Future[Any]] = [next_one, self._failed]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
            return next_one.result()
        except StopAsyncIteration:
            return None
        finally:
            next_one.cancel()

    def begin(self, run_id: str, event: Event) -> None:
        """Carry out the call of *event*."""
        self._tasks.add(asyncio.ensure_future(self._answer(endpoints.results_path(run_id), read_call(event.fields))))

    async def close(self) -> None:
        """End what is under way: nobody waits for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failed.done():
            self._failed.exception()

    async def _answer(self, path: str, call: HostCall) -> None:
        result = await self._tools.answer_async(call)
        self._ready.append(result)
        if self._sends:
            return
        self._sends = True
        try:
            while self._ready:
                results, self._ready = self._ready, []
                await self._send(path, results)
        except Exception as error:  # noqa: BLE001  # whatever it was, the run would wait for this result to no end
            if not self._failed.done():
                self._failed.set_exception(error)
        finally:
            self._sends = False

    async def _send(self, path: str, results: list[dict[str, Any]]) -> None:
        with suppress(Conflict, Gone, NotFound):  # the run is over: its last event says how
            await self._link.bring(path, results)

"""The way to one gateway, on asyncio; see `link`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Callable, TypeVar

from omega_client import wire
from omega_client.async_transport import AsyncTransport
from omega_client.bringing import bringing
from omega_client.errors import OmegaError
from omega_client.retries import pause_s

T = TypeVar("T")


@dataclass(frozen=True)
class AsyncLink:
    """What the client and its sessions share. *failure* makes an error of a reply that is no success."""

    transport: AsyncTransport
    max_retries: int = 2
    failure: Callable[[wire.Reply], OmegaError] = wire.api_error

    async def reply(self, request: wire.Request) -> wire.Reply:
        """The whole reply, which is good. Raises *failure* and ConnectionFailed."""
        return await again(lambda: self._sent(request), self.max_retries)

    async def json(self, request: wire.Request) -> Any:
        """The document that is answered. Raises ApiError and ConnectionFailed."""
        return wire.read_json(await self.reply(request))

    async def read(self, request: wire.Request, find: Callable[[Any], T]) -> T:
        """What *find* finds in the document that is answered. Raises ApiError and ConnectionFailed."""
        document = await self.json(request)
        with wire.reading():
            return find(document)

    async def data(self, request: wire.Request) -> bytes:
        """The bytes that are answered. Raises ApiError and ConnectionFailed."""
        return (await self.reply(request)).body

    @asynccontextmanager
    async def pieces(self, request: wire.Request) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body as it comes. Raises *failure* and ConnectionFailed."""
        async with AsyncExitStack() as stack:
            yield await again(lambda: self._opened(request, stack), self.max_retries)

    async def bring(self, path: str, results: Sequence[Mapping[str, Any]]) -> None:
        """Bring *results* of tools to *path*. Raises ApiError and ConnectionFailed."""
        steps = bringing(path, results)
        with suppress(StopIteration):
            request = next(steps)
            while True:
                try:
                    answer = await self.json(request)
                except OmegaError as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(answer)

    async def _sent(self, request: wire.Request) -> wire.Reply:
        return wire.checked(await self.transport.send(request), self.failure)

    async def _opened(self, request: wire.Request, stack: AsyncExitStack) -> AsyncIterator[bytes]:
        """The body of a reply that is good; *stack* keeps it open. Raises *failure*."""
        async with AsyncExitStack() as opening:
            head, pieces = await opening.enter_async_context(self.transport.open(request))
            if not head.is_ok:
                raise self.failure(wire.Reply(head, b"".join([piece async for piece in pieces])))
            stack.push_async_exit(opening.pop_all())
            return pieces


async def again(doing: Callable[[], Awaitable[T]], most: int) -> T:
    """What *doing* gives; it is done up to *most* times more, after a while, if what it raises will pass."""
    attempt = 0
    while True:
        try:
            return await doing()
        except OmegaError as error:
            pause = pause_s(error, attempt, most)
            if pause is None:
                raise
        await asyncio.sleep(pause)
        attempt += 1

"""The ways to a model on asyncio; see `senders`."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Protocol

from omega_client import wire
from omega_client.async_link import again
from omega_client.async_transport import AsyncTransport
from omega_client.client import CONNECT_S, SILENCE_S, USER_AGENT
from omega_client.llm import sdks
from omega_client.llm.dialect import Asked, Dialect
from omega_client.llm.senders import (
    RETRIES,
    address_of,
    checked,
    document_of,
    event_of,
    is_event,
    key_of,
    model_error,
    request_of,
)
from omega_client.sse import EventReader


class AsyncSender(Protocol):
    """Brings requests to a model."""

    async def ask(self, asked: Asked) -> Mapping[str, Any]:
        """The answer."""

    def stream(self, asked: Asked) -> AsyncGenerator[Mapping[str, Any], None]:
        """The events of the answer."""

    def close(self) -> None:
        """Close what it has opened."""


class AsyncSdkSender:
    """By an SDK, whose errors are raised as they are."""

    def __init__(self, dialect: Dialect, client: Any) -> None:
        self._dialect = dialect
        self._client = getattr(client, "aio", client) if dialect.name == "gemini" else client

    async def ask(self, asked: Asked) -> Mapping[str, Any]:
        """The answer."""
        return sdks.as_document(await self._call(asked))

    async def stream(self, asked: Asked) -> AsyncGenerator[Mapping[str, Any], None]:
        """The events of the answer."""
        async for event in await self._call(asked):
            yield sdks.as_document(event)

    async def _call(self, asked: Asked) -> Any:
        given = sdks.method_of(self._dialect, self._client, asked)(**sdks.arguments_of(self._dialect, asked))
        if not inspect.isawaitable(given):
            raise TypeError("This client is not for asyncio: use call_with_tools")
        return await given

    def close(self) -> None:
        """The client is the caller's."""


class AsyncHttpSender:
    """By HTTP."""

    def __init__(self, dialect: Dialect, url: str, key: str) -> None:
        self._dialect = dialect
        self._address = address_of(dialect, url)
        headers = {"User-Agent": USER_AGENT, **dialect.headers(key_of(dialect, key, url))}
        self._transport = AsyncTransport(self._address, headers, connect_s=CONNECT_S, silence_s=SILENCE_S)

    async def ask(self, asked: Asked) -> Mapping[str, Any]:
        """The answer."""
        request = request_of(self._dialect, asked, self._address)
        return document_of(await again(lambda: self._sent(request), RETRIES))

    async def stream(self, asked: Asked) -> AsyncGenerator[Mapping[str, Any], None]:
        """The events of the answer."""
        request, reader = request_of(self._dialect, asked, self._address), EventReader()
        async with AsyncExitStack() as stack:
            async for piece in await again(lambda: self._opened(request, stack), RETRIES):
                for event in filter(is_event, reader.feed(piece)):
                    yield event_of(event)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    async def _sent(self, request: wire.Request) -> wire.Reply:
        return checked(await self._transport.send(request))

    async def _opened(self, request: wire.Request, stack: AsyncExitStack) -> AsyncIterator[bytes]:
        """The body of a good reply; *stack* keeps it open. Raises ModelError."""
        async with AsyncExitStack() as opening:
            head, pieces = await opening.enter_async_context(self._transport.open(request))
            if not head.is_ok:
                raise model_error(wire.Reply(head, b"".join([piece async for piece in pieces])))
            stack.push_async_exit(opening.pop_all())
            return pieces


def async_sender_of(dialect: Dialect, client: object, key: str) -> AsyncSdkSender | AsyncHttpSender:
    """The way to the model: *client* is a base URL, None for the vendor's, or a client of the vendor's SDK."""
    if client is None or isinstance(client, str):
        return AsyncHttpSender(dialect, client or "", key)
    return AsyncSdkSender(dialect, client)

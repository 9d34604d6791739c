"""The ways to a model on asyncio; see `senders`."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

from omega_client.async_link import AsyncLink
from omega_client.async_transport import AsyncTransport
from omega_client.client import CONNECT_S, SILENCE_S, USER_AGENT
from omega_client.llm import sdks
from omega_client.llm.dialect import Asked, Dialect
from omega_client.llm.senders import (
    RETRIES,
    address_of,
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
        transport = AsyncTransport(self._address, headers, connect_s=CONNECT_S, silence_s=SILENCE_S)
        self._link = AsyncLink(transport, RETRIES, model_error)

    async def ask(self, asked: Asked) -> Mapping[str, Any]:
        """The answer."""
        return document_of(await self._link.reply(request_of(self._dialect, asked, self._address)))

    async def stream(self, asked: Asked) -> AsyncGenerator[Mapping[str, Any], None]:
        """The events of the answer."""
        request, reader = request_of(self._dialect, asked, self._address), EventReader()
        async with self._link.pieces(request) as pieces:
            async for piece in pieces:
                for event in filter(is_event, reader.feed(piece)):
                    yield event_of(event)

    def close(self) -> None:
        """Close the connections."""
        self._link.transport.close()


def async_sender_of(dialect: Dialect, client: object, key: str) -> AsyncSdkSender | AsyncHttpSender:
    """The way to the model: *client* is a base URL, None for the vendor's, or a client of the vendor's SDK."""
    if client is None or isinstance(client, str):
        return AsyncHttpSender(dialect, client or "", key)
    return AsyncSdkSender(dialect, client)

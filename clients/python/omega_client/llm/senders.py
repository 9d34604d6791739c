"""The ways to a model: the vendor's SDK, or HTTP of this library."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from omega_client import wire
from omega_client.address import Address, parse_address
from omega_client.client import CONNECT_S, SILENCE_S, USER_AGENT
from omega_client.errors import ConnectionFailed, ModelError
from omega_client.link import Link
from omega_client.llm import sdks
from omega_client.llm.dialect import Asked, Dialect
from omega_client.sse import EventReader
from omega_client.transport import Transport

RETRIES = 2


class Sender(Protocol):
    """Brings requests to a model."""

    def ask(self, asked: Asked) -> Mapping[str, Any]:
        """The answer."""

    def stream(self, asked: Asked) -> Iterator[Mapping[str, Any]]:
        """The events of the answer."""

    def close(self) -> None:
        """Close what it has opened."""


class SdkSender:
    """By an SDK, whose errors are raised as they are."""

    def __init__(self, dialect: Dialect, client: Any) -> None:
        self._dialect = dialect
        self._client = client

    def ask(self, asked: Asked) -> Mapping[str, Any]:
        """The answer."""
        return sdks.as_document(self._call(asked))

    def stream(self, asked: Asked) -> Iterator[Mapping[str, Any]]:
        """The events of the answer."""
        for event in self._call(asked):
            yield sdks.as_document(event)

    def _call(self, asked: Asked) -> Any:
        given = sdks.method_of(self._dialect, self._client, asked)(**sdks.arguments_of(self._dialect, asked))
        if inspect.isawaitable(given):
            if inspect.iscoroutine(given):
                given.close()
            raise TypeError("This client is for asyncio: use call_with_tools_async")
        return given

    def close(self) -> None:
        """The client is the caller's."""


class HttpSender:
    """By HTTP."""

    def __init__(self, dialect: Dialect, url: str, key: str) -> None:
        self._dialect = dialect
        self._address = address_of(dialect, url)
        headers = {"User-Agent": USER_AGENT, **dialect.headers(key_of(dialect, key, url))}
        transport = Transport(self._address, headers, connect_s=CONNECT_S, silence_s=SILENCE_S)
        self._link = Link(transport, RETRIES, model_error)

    def ask(self, asked: Asked) -> Mapping[str, Any]:
        """The answer."""
        return document_of(self._link.reply(request_of(self._dialect, asked, self._address)))

    def stream(self, asked: Asked) -> Iterator[Mapping[str, Any]]:
        """The events of the answer."""
        request, reader = request_of(self._dialect, asked, self._address), EventReader()
        with self._link.pieces(request) as pieces:
            for piece in pieces:
                yield from map(event_of, filter(is_event, reader.feed(piece)))

    def close(self) -> None:
        """Close the connections."""
        self._link.transport.close()


def sender_of(dialect: Dialect, client: object, key: str) -> SdkSender | HttpSender:
    """The way to the model: *client* is a base URL, None for the vendor's, or a client of the vendor's SDK."""
    if client is None or isinstance(client, str):
        return HttpSender(dialect, client or "", key)
    return SdkSender(dialect, client)


def address_of(dialect: Dialect, url: str) -> Address:
    """The address at *url*, or else the vendor's."""
    return parse_address(url or os.environ.get(dialect.url_variable) or dialect.url)


def key_of(dialect: Dialect, key: str, url: str) -> str:
    """*key*, or the one in the environment; "" for a server at *url* that may need none. Raises ValueError."""
    found = key or next((os.environ[name] for name in dialect.key_variables if os.environ.get(name)), "")
    if not found and not (url or os.environ.get(dialect.url_variable)):
        raise ValueError(f"{dialect.name} needs an api_key (or {dialect.key_variables[0]}), or a client of its SDK")
    return found


def request_of(dialect: Dialect, asked: Asked, address: Address) -> wire.Request:
    """The request of *asked*. Raises ModelError for a conversation that JSON can't hold: models may have said anything."""
    try:
        return wire.post(dialect.path(asked, address.prefix), dialect.body(asked))
    except RecursionError:
        raise ModelError("The conversation is nested too deep to be sent.") from None


def document_of(reply: wire.Reply) -> Mapping[str, Any]:
    """The document in *reply*. Raises ModelError."""
    try:
        found = json.loads(reply.body)
        if isinstance(found, dict):
            return found
    except (ValueError, RecursionError):
        pass
    raise ModelError(f"The model's answer is no document: {reply.body[:200]!r}", reply.head.status)


def model_error(reply: wire.Reply) -> ModelError:
    """What the API of a model says, in whichever form."""
    status = reply.head.status
    message: str | None = None
    try:
        told = json.loads(reply.body)
        told = told[0] if isinstance(told, list) else told
        error = told.get("error", told)
        message = error.get("message") if isinstance(error, dict) else str(error)
    except wire.NOT_AS_DOCUMENTED:
        pass
    text = message or reply.body[:200].decode("utf-8", "replace") or "(nothing)"
    return ModelError(f"The model's API answered with status {status}: {text}", status, reply.head.retry_after_s)


def is_event(data: str) -> bool:
    """Whether it is an event: OpenAI ends its streams with a word."""
    return data.strip() != "[DONE]"


def event_of(data: str) -> Mapping[str, Any]:
    """The event in *data*. Raises ConnectionFailed."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConnectionFailed(f"The model's API sent an event that is none: {data[:80]!r}")
    return found

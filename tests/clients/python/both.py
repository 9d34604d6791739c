"""Both clients behind one interface, so that a test of what they share is written once."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import omega_client as omega
from omega_client.address import parse_address
from omega_client.async_transport import AsyncTransport
from omega_client.transport import Transport
from omega_client.wire import Reply, Request

T = TypeVar("T")
KINDS = ("plain", "asyncio")


@dataclass(slots=True)
class Both:
    """The client of *kind*: what it does with asyncio is waited for."""

    kind: str
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def wait(self, doing: Coroutine[Any, Any, T]) -> T:
        """What *doing* gives."""
        return self.loop.run_until_complete(doing)

    def close(self) -> None:
        """Let connections end before their loop."""
        self.wait(asyncio.sleep(0))
        self.wait(self.loop.shutdown_asyncgens())
        self.loop.close()

    @contextmanager
    def sending(
        self, url: str, *, silence_s: float = 60.0, tls: ssl.SSLContext | None = None, headers: dict[str, str] | None = None
    ) -> Iterator[Callable[[Request], Reply]]:
        """A function that sends one request after another by one transport."""
        address, shared = parse_address(url), headers or {}
        if self.kind == "plain":
            plain = Transport(address, shared, connect_s=60.0, silence_s=silence_s, tls=tls)
            try:
                yield plain.send
            finally:
                plain.close()
        else:
            other = AsyncTransport(address, shared, connect_s=60.0, silence_s=silence_s, tls=tls)
            try:
                yield lambda request: self.wait(other.send(request))
            finally:
                other.close()

    def run(self, url: str, code: str, **options: Any) -> omega.Run:
        """The run of *code* by a client with the token "t"."""
        if self.kind == "plain":
            with omega.Client(url, "t") as client:
                return client.run(code, **options)

        async def run() -> omega.Run:
            async with omega.AsyncClient(url, "t") as client:
                return await client.run(code, **options)

        return self.wait(run())

    def stream(self, url: str, code: str, token: str = "t", **options: Any) -> tuple[list[omega.Event], omega.Run]:
        """The events of a run, and the run."""
        if self.kind == "plain":
            with omega.Client(url, token) as client, client.stream(code, **options) as events:
                return list(events), events.run

        async def stream() -> tuple[list[omega.Event], omega.Run]:
            async with omega.AsyncClient(url, token) as client, client.stream(code, **options) as events:
                return [event async for event in events], events.run

        return self.wait(stream())

    def converse(self, *args: Any, stream: bool = False, **more: Any) -> tuple[list[omega.ModelEvent], omega.Answer]:
        """The events, if it streams, and the answer of a conversation with a model."""
        if self.kind == "plain":
            if not stream:
                return [], omega.call_with_tools(*args, **more)
            told = omega.call_with_tools(*args, stream=True, **more)
            return list(told), told.answer

        async def converse() -> tuple[list[omega.ModelEvent], omega.Answer]:
            if not stream:
                return [], await omega.call_with_tools_async(*args, **more)
            told = await omega.call_with_tools_async(*args, stream=True, **more)
            return [event async for event in told], told.answer

        return self.wait(converse())

"""The client on asyncio; see `client`."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from omega_client import endpoints, wire
from omega_client.address import parse_address
from omega_client.async_link import AsyncLink
from omega_client.async_sessions import AsyncSession
from omega_client.async_streams import AsyncEventStream
from omega_client.async_transport import AsyncTransport
from omega_client.client import CONNECT_S, SILENCE_S, USER_AGENT
from omega_client.endpoints import API, Language, RunOptions
from omega_client.host_tools import HostTools, Tools
from omega_client.results import Run, read_run

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncClient:
    """A gateway, asked with one token; see `Client` for the arguments. Tasks may share it."""

    def __init__(
        self,
        url: str = "",
        token: str = "",
        *,
        max_retries: int = 2,
        connect_s: float = CONNECT_S,
        silence_s: float = SILENCE_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {endpoints.token_of(token)}", "User-Agent": USER_AGENT}
        address = parse_address(endpoints.base_of(url))
        self.link = AsyncLink(
            AsyncTransport(address, headers, connect_s=connect_s, silence_s=silence_s, tls=tls), max_retries
        )

    async def __aenter__(self) -> AsyncClient:
        """For `async with`."""
        return self

    async def __aexit__(self, *how: object) -> None:
        """Close its connections."""
        self.close()

    def close(self) -> None:
        """Close its connections; it opens new ones when it is used again."""
        self.link.transport.close()

    async def run(
        self, code: str, *, language: Language = "python", tools: Tools = (), **options: Unpack[RunOptions]
    ) -> Run:
        """The run of *code* in a fresh kernel. *tools* are functions of yours that it can call."""
        if tools:  # over its events: what the code calls goes side by side, and so it can wait for one another
            return await self.stream(code, language=language, tools=tools, **options).whole()
        return read_run(await self.link.json(endpoints.run(language, code, options)))

    def stream(
        self, code: str, *, language: Language = "python", tools: Tools = (), **options: Unpack[RunOptions]
    ) -> AsyncEventStream:
        """The same, while it goes on."""
        known = HostTools(tools, may_await=True)
        return AsyncEventStream(self.link, endpoints.run(language, code, options, **known.fields()), known)

    async def chart(
        self,
        code: str,
        *,
        format: Literal["png", "svg"] = "png",  # noqa: A002  # the gateway's name for it
        dpi: int | None = None,
        **options: Unpack[RunOptions],
    ) -> Run:
        """A run with `plt`, `np`, `pd` and `sns` at hand; its pictures are in `charts`."""
        return read_run(await self.link.json(endpoints.chart(code, options, format, dpi)))

    async def create_session(
        self,
        *,
        language: Language = "python",
        name: str | None = None,
        timeout_s: float | None = None,
        idle_timeout_s: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> AsyncSession:
        """A new session; in an `async with` statement it ends with it."""
        asked = {"name": name, "timeout_s": timeout_s, "idle_timeout_s": idle_timeout_s, "env": env, "cwd": cwd}
        return AsyncSession(self.link, await self.link.json(endpoints.create_session(language, asked)))

    async def open_session(self, session_id: str) -> AsyncSession:
        """The session with this id. Raises NotFound and Gone."""
        return AsyncSession(self.link, await self.link.json(wire.get(endpoints.SessionPaths(session_id).path())))

    async def sessions(self) -> list[Mapping[str, Any]]:
        """What the gateway says of each session of this token."""
        return await self.link.read(wire.get(f"{API}/sessions"), lambda found: list(found["sessions"]))

    async def health(self) -> Mapping[str, Any]:
        """How the gateway is."""
        found: Mapping[str, Any] = await self.link.json(wire.get(f"{API}/health"))
        return found

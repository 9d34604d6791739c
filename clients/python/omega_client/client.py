"""The client: runs code, and keeps sessions."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from omega_client import endpoints, wire
from omega_client.address import parse_address
from omega_client.endpoints import API, Language, RunOptions
from omega_client.host_tools import HostTools, Tools
from omega_client.link import Link
from omega_client.results import Run, read_run
from omega_client.sessions import Session
from omega_client.streams import EventStream
from omega_client.transport import Transport

if TYPE_CHECKING:
    from typing_extensions import Unpack

USER_AGENT = "omega-client/0.1.0 Python"
CONNECT_S = 10.0
SILENCE_S = 600.0


class Client:
    """A gateway, asked with one token. Threads may share it.

    *url* may have a path; without it, OMEGA_URL or http://127.0.0.1:8080 is asked. Without *token* it is OMEGA_TOKEN.
    Requests that the gateway refuses for the moment (429, 503) are sent again up to *max_retries* times, after the time
    it asks for. A server that is silent for *silence_s* beyond a run's own time is given up.
    """

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
        self.link = Link(Transport(address, headers, connect_s=connect_s, silence_s=silence_s, tls=tls), max_retries)

    def __enter__(self) -> Client:
        """For `with`."""
        return self

    def __exit__(self, *how: object) -> None:
        """Close its connections."""
        self.close()

    def close(self) -> None:
        """Close its connections; it opens new ones when it is used again."""
        self.link.transport.close()

    def run(self, code: str, *, language: Language = "python", tools: Tools = (), **options: Unpack[RunOptions]) -> Run:
        """The run of *code* in a fresh kernel. *tools* are functions of yours that it can call."""
        known = HostTools(tools)
        return self.link.run(endpoints.run(language, code, options, **known.fields()), known)

    def stream(
        self, code: str, *, language: Language = "python", tools: Tools = (), **options: Unpack[RunOptions]
    ) -> EventStream:
        """The same, while it goes on."""
        known = HostTools(tools)
        return EventStream(self.link, endpoints.run(language, code, options, **known.fields()), known)

    def chart(
        self,
        code: str,
        *,
        format: Literal["png", "svg"] = "png",  # noqa: A002  # the gateway's name for it
        dpi: int | None = None,
        **options: Unpack[RunOptions],
    ) -> Run:
        """A run with `plt`, `np`, `pd` and `sns` at hand; its pictures are in `charts`."""
        return read_run(self.link.json(endpoints.chart(code, options, format, dpi)))

    def create_session(
        self,
        *,
        language: Language = "python",
        name: str | None = None,
        timeout_s: float | None = None,
        idle_timeout_s: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Session:
        """A new session; in a `with` statement it ends with it."""
        asked = {"name": name, "timeout_s": timeout_s, "idle_timeout_s": idle_timeout_s, "env": env, "cwd": cwd}
        return Session(self.link, self.link.json(endpoints.create_session(language, asked)))

    def open_session(self, session_id: str) -> Session:
        """The session with this id. Raises NotFound and Gone."""
        return Session(self.link, self.link.json(wire.get(endpoints.SessionPaths(session_id).path())))

    def sessions(self) -> list[Mapping[str, Any]]:
        """What the gateway says of each session of this token."""
        return self.link.read(wire.get(f"{API}/sessions"), lambda found: list(found["sessions"]))

    def health(self) -> Mapping[str, Any]:
        """How the gateway is."""
        found: Mapping[str, Any] = self.link.json(wire.get(f"{API}/health"))
        return found

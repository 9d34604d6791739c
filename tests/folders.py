"""The files of one session on a live gateway, asked for as strangers do: raw bytes, and addresses made by hand."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.live import HANG_S, Gateway

SESSIONS = "/code-interpreter/sessions"


@dataclass(frozen=True, slots=True)
class Got:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Folder:
    """The work directory of the session *id*."""

    gateway: Gateway
    id: str

    def ask(
        self, method: str, address: str = "", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Got:
        """A request below ``files``; *address* is sent as it is."""
        return self.request(method, f"files{address}", body, headers)

    def request(self, method: str, address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Got:
        """A request below the session's own address."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=HANG_S)
        sent = {"Authorization": f"Bearer {self.gateway.token}", **(headers or {})}
        try:
            connection.request(method, f"{SESSIONS}/{self.id}/{address}", body, sent)
            answer = connection.getresponse()
            return Got(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def put(self, name: bytes, body: bytes) -> Got:
        """Put a file."""
        return self.ask("PUT", "/" + quote(name), body)

    def get(self, name: bytes) -> Got:
        """Fetch a file."""
        return self.ask("GET", "/" + quote(name))

    def delete(self, name: bytes, query: str = "") -> Got:
        """Delete what has this name."""
        return self.ask("DELETE", "/" + quote(name) + query)

    def entry(self, method: str, name: bytes, change: object = None) -> Got:
        """A request about a name."""
        body = None if change is None else json.dumps(change).encode()
        return self.request(method, f"entries/{quote(name)}", body, {"Content-Type": "application/json"})

    def listed(self, query: str = "") -> Any:
        """The whole listing."""
        answer = self.ask("GET", query)
        assert answer.status == 200, answer
        return answer.json

    def run(self, code: str, **fields: object) -> Any:
        """The answer of a run in the session, which must succeed."""
        reply = self.gateway.ask("POST", f"{SESSIONS}/{self.id}/execute", {"code": code, **fields})
        assert reply.status == 200, reply
        assert reply.body["success"], reply.body
        return reply.body


@contextlib.contextmanager
def folder(gateway: Gateway, **asked: object) -> Iterator[Folder]:
    """A new session's files; the session is deleted afterwards."""
    reply = gateway.ask("POST", SESSIONS, asked)
    assert reply.status == 200, reply
    made = Folder(gateway, reply.body["id"])
    try:
        yield made
    finally:
        gateway.ask("DELETE", f"{SESSIONS}/{made.id}")

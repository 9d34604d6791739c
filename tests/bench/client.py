"""A client that costs little: one kept connection, no delay, just enough HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.core.mcp import VERSION_KEY, repeated
from tests.live import Gateway


class Connection:
    """A kept HTTP connection to *gateway*."""

    def __init__(self, gateway: Gateway) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        self._http.connect()
        self._http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = {"Authorization": f"Bearer {gateway.token}", "Content-Type": "application/json"}

    def post(self, path: str, body: object) -> Any:
        """The answer's JSON; anything but 200 and success is a RuntimeError, because it would not be worth timing."""
        return self._ask_api("POST", path, json.dumps(body))

    def delete(self, path: str) -> None:
        """Delete what is at *path*."""
        self._ask_api("DELETE", path, None)

    def call_tool(self, name: str, arguments: Mapping[str, object]) -> Any:
        """What the tool *name* gives by MCP, asked for as a client of today does; a failure is a RuntimeError."""
        params = {"name": name, "arguments": arguments, "_meta": {VERSION_KEY: "2026-07-28"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        told = {"Accept": "application/json, text/event-stream", **repeated(message)}
        status, answer = self._ask("POST", "/mcp", json.dumps(message), told)
        if status != 200 or answer.get("result", {"isError": True})["isError"]:
            raise RuntimeError(f"{name} answered {status}: {str(answer)[:2000]}")
        return answer["result"]

    @contextlib.contextmanager
    def session(self) -> Iterator[str]:
        """The id of a new session, which is deleted after the block."""
        session_id = self.create_session()
        try:
            yield session_id
        finally:
            self.delete(f"sessions/{session_id}")

    def create_session(self) -> str:
        """The id of a new session."""
        return str(self.post("sessions", {"language": "python", "idleTimeout": 3_600_000})["id"])

    def _ask_api(self, method: str, path: str, body: str | None) -> Any:
        status, answer = self._ask(method, f"/code-interpreter/{path}", body, {})
        if status != 200 or not answer.get("success"):
            raise RuntimeError(f"{method} {path} answered {status}: {str(answer)[:2000]}")
        return answer

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> tuple[int, Any]:
        self._http.request(method, path, body, {**self._headers, **headers})
        answer = self._http.getresponse()
        return answer.status, json.loads(answer.read())

    def time_post(self, path: str, body: object) -> float:
        """How long post() takes, in ms."""
        begun = time.perf_counter()
        self.post(path, body)
        return (time.perf_counter() - begun) * 1000

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

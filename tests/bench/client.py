"""A client that costs little: one kept connection, no delay, just enough HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import Any

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
        return self._ask("POST", path, json.dumps(body))

    def delete(self, path: str) -> None:
        """Delete what is at *path*."""
        self._ask("DELETE", path, None)

    def _ask(self, method: str, path: str, body: str | None) -> Any:
        self._http.request(method, f"/code-interpreter/{path}", body, self._headers)
        answer = self._http.getresponse()
        decoded = json.loads(answer.read())
        if answer.status != 200 or not decoded.get("success"):
            raise RuntimeError(f"{method} {path} answered {answer.status}: {str(decoded)[:2000]}")
        return decoded

    def time_post(self, path: str, body: object) -> float:
        """How long post() takes, in ms."""
        begun = time.perf_counter()
        self.post(path, body)
        return (time.perf_counter() - begun) * 1000

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

"""A caller of the guide's endpoints, as strangers are: plain HTTP with a token."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.live import Gateway, Reply, looks


@dataclass(frozen=True, slots=True)
class Caller:
    """Sends requests to one gateway."""

    gateway: Gateway

    def post(self, endpoint: str, body: object) -> Reply:
        """POST *body* to an endpoint of the guide."""
        return self.gateway.ask("POST", f"/code-interpreter/{endpoint}", body)

    def get(self, endpoint: str, *, token: str | None = None) -> Reply:
        """GET an endpoint of the guide; *token* "" sends none."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}" if token else ""}
        return self.gateway.ask("GET", f"/code-interpreter/{endpoint}", headers=headers)

    def python(self, code: str, **fields: object) -> Any:
        """The answer to a Python run that was carried out."""
        return self.gateway.run(code, **fields)

    def chart(self, code: str) -> Any:
        """The answer to a chart run that was carried out."""
        reply = self.post("chart", {"code": code})
        assert reply.status == 200, reply
        return reply.body

    def wait_for_history(self, until: Callable[[list[Any]], bool], limit: int = 50) -> list[Any]:
        """The history, once *until* holds: it is written a moment after the answer."""
        for _ in looks():
            rows: list[Any] = self.get(f"history?limit={limit}").body["history"]
            if until(rows):
                return rows
            time.sleep(0.05)  # another process writes it: there is nothing to wait on
        raise AssertionError(f"the history stays {rows!r}")

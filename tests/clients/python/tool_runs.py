"""A scripted gateway whose runs call tools of the caller's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import omega_client as omega
from tests.clients.python import peer
from tests.clients.python.peer import STREAM_END, STREAM_HEAD, Asked, document, event

PYTHON, RESULTS = "/code-interpreter/python", "/code-interpreter/runs/r1/tool-results"
CALLS = [
    {"id": "1", "name": "query", "input": {"sql": "a"}},
    {"id": "2", "name": "query", "input": {"sql": "b", "limit": 1}},
    {"id": "3", "name": "query", "input": {"sql": "wrong"}},
]
ANSWERED = [
    {"id": "1", "output": [["a", 10]]},
    {"id": "2", "output": [["b", 1]]},
    {"id": "3", "error": "LookupError: no table"},
]
COMPLETED = {"success": True, "status": "completed", "output": "done\n", "error": None}


@omega.tool
def query(sql: str, limit: int = 10) -> list[Any]:
    """Ask the database."""
    if sql == "wrong":
        raise LookupError("no table")
    return [(sql, limit)]


def required(*calls: dict[str, Any]) -> bytes:
    """The answer of a run that waits."""
    return document({"status": "tool_call_required", "run": "r1", "continuation": RESULTS, "toolCalls": list(calls)})


def begun(*calls: dict[str, Any]) -> Iterator[bytes]:
    """The stream of a run that makes *calls*, up to the last of them."""
    yield STREAM_HEAD
    yield event(type="accepted", runId="r1")
    for call in calls:
        yield event(type="tool_call", **call)


def ended(**fields: Any) -> Iterator[bytes]:
    """The end of the stream; *fields* say what differs from success."""
    yield event(type="done", **{**COMPLETED, **fields})
    yield STREAM_END


def called(*calls: dict[str, Any], ends: threading.Event) -> peer.Handler:
    """A gateway whose run makes *calls* and ends once all have their results, or *ends* is set."""
    answered: list[Any] = []

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == RESULTS:
            yield document({"accepted": 1})
            answered.extend(asked.json()["results"])
            if len(answered) == len(calls):
                ends.set()
            return
        yield from begun(*calls)
        assert ends.wait(60)
        yield from ended()

    return handler

"""Calls of a tool over HTTP and by the Model Context Protocol, against the same run asked for without a tool, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.client import Connection
from tests.bench.numbers import Row, Samples
from tests.live import Gateway

WARM_CALLS = 200
FRESH_CALLS = 60
FIRST_CALLS = 5
THINK_S = 0.1
"""A pause before each call that needs a fresh kernel, long enough for the pool to be full again."""
TOOL = "code_execute_python"
CODE = "print(1)"


@dataclass(frozen=True, slots=True)
class Ways:
    """One run: as a run, as a call over HTTP, and as a call by MCP."""

    run: Samples
    rest: Samples
    mcp: Samples

    def rows(self, where: str, peer: str) -> list[Row]:
        """A row for each door, *where* it was and the run that it is held against."""
        return [
            Row(f"tool call over HTTP, {where}", peer, self.rest, self.run, "≤ 1.25"),
            Row(f"tool call by MCP, {where}", peer, self.mcp, self.run, "≤ 1.25"),
        ]


def warm(gateway: Gateway) -> Ways:
    """All in one session."""
    connection = Connection(gateway)
    with connection.session() as session_id:
        call = {"code": CODE, "session": session_id}
        ways = _in_turns(connection, f"sessions/{session_id}/execute", call, WARM_CALLS, think_s=0.0)
    connection.close()
    return ways


def fresh(gateway: Gateway) -> Ways:
    """Each in a kernel of its own, which is ready."""
    connection = Connection(gateway)
    ways = _in_turns(connection, "python", {"code": CODE}, FRESH_CALLS, think_s=THINK_S)
    connection.close()
    return ways


def _in_turns(connection: Connection, path: str, call: Mapping[str, str], count: int, *, think_s: float) -> Ways:
    asks: Sequence[Callable[[], None]] = (
        lambda: _check(connection.post(path, {"code": CODE})["output"]),
        lambda: _check(connection.post(f"tools/{TOOL}", call)["text"]),
        lambda: _check(connection.call_tool(TOOL, call)["content"][0]["text"]),
    )
    took: list[list[float]] = [[], [], []]
    for _ in range(count + FIRST_CALLS):
        for ask, times in zip(asks, took, strict=True):
            time.sleep(think_s)
            begun = time.perf_counter()
            ask()
            times.append((time.perf_counter() - begun) * 1000)
    run, rest, mcp = (Samples(tuple(times[FIRST_CALLS:])) for times in took)
    return Ways(run, rest, mcp)


def _check(text: str) -> None:
    if text.strip() != "1":
        raise RuntimeError(f"the run printed {text!r}")

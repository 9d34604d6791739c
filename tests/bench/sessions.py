"""Sessions: a warm run in one over HTTP and over its WebSocket, and what idle ones beside it cost in time and memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench import processes
from tests.bench.client import Connection
from tests.bench.numbers import Samples
from tests.bench.websocket import WebSocket
from tests.live import Gateway

WARM_RUNS = 200
FIRST_RUNS = 5
GROWTH = (1, 50, 100, 200)
GROWTH_RUNS = 100
GROWTH_OPTIONS = (
    *("--max-kernels", "240", "--sessions-per-key", "220", "--pool-memory-mb", str(240 * 128)),
    *("--pool-min", "1", "--pool-max", "4"),
)
"""Room for the most sessions of GROWTH. The gateway reckons with a quarter of a kernel's memory limit for each."""
SETTLE_S = 2.0
CODE = "print(1)"


@dataclass(frozen=True, slots=True)
class Step:
    """*sessions* in all, idle but for the one that was timed: its run, a fresh run without a session, and memory in MiB.

    *kernels* is the sum over all kernels (PSS), those unused in the pool included; *alone* what each has for itself (USS).
    """

    sessions: int
    run: Samples
    fresh: Samples
    kernels: float
    alone: float
    gateway: float


def warm_http(gateway: Gateway) -> Samples:
    """The same session asked again and again over a kept connection."""
    connection = Connection(gateway)
    with connection.session() as session_id:
        took = [
            connection.time_post(f"sessions/{session_id}/execute", {"code": CODE}) for _ in range(WARM_RUNS + FIRST_RUNS)
        ]
    connection.close()
    return Samples(tuple(took[FIRST_RUNS:]))


def warm_socket(gateway: Gateway) -> Samples:
    """The same over the session's WebSocket: from the message sent to the event that the run is done."""
    connection = Connection(gateway)
    with connection.session() as session_id:
        stream = WebSocket(gateway, f"/code-interpreter/sessions/{session_id}/stream")
        took = [_time_run(stream) for _ in range(WARM_RUNS + FIRST_RUNS)]
        stream.close()
    connection.close()
    return Samples(tuple(took[FIRST_RUNS:]))


def _time_run(stream: WebSocket) -> float:
    begun = time.perf_counter()
    stream.send({"type": "execute", "code": CODE})
    text = ""
    while (event := stream.receive())["type"] != "done":
        if event["type"] == "error":
            raise RuntimeError(f"the run failed: {event}")
        text += event["text"] if event["type"] == "stdout" else ""
    took_ms = (time.perf_counter() - begun) * 1000
    if text != "1\n":
        raise RuntimeError(f"the run printed {text!r}")
    return took_ms


def growth(gateway: Gateway, counts: Sequence[int] = GROWTH) -> list[Step]:
    """One session is timed while more and more others stand idle beside it; *gateway* needs GROWTH_OPTIONS."""
    connection = Connection(gateway)
    session_ids: list[str] = []
    steps = []
    for count in counts:
        while len(session_ids) < count:
            session_ids.append(connection.create_session())
        time.sleep(SETTLE_S)  # the pool refills, the allocators settle
        steps.append(_measure(gateway, connection, session_ids))
    connection.close()
    return steps


def _measure(gateway: Gateway, connection: Connection, session_ids: Sequence[str]) -> Step:
    path = f"sessions/{session_ids[0]}/execute"
    run = [connection.time_post(path, {"code": CODE}) for _ in range(GROWTH_RUNS + FIRST_RUNS)][FIRST_RUNS:]
    fresh = []
    for _ in range(GROWTH_RUNS // 4):
        time.sleep(0.1)  # long enough for the pool to be full again
        fresh.append(connection.time_post("python", {"code": CODE}))
    time.sleep(SETTLE_S)
    used = processes.kernels(gateway.pid)
    return Step(
        sessions=len(session_ids),
        run=Samples(tuple(run)),
        fresh=Samples(tuple(fresh)),
        kernels=sum(one.pss for one in used),
        alone=Samples(tuple(one.uss for one in used), "MiB").p50,
        gateway=processes.memory(gateway.pid).pss,
    )


def growth_table(steps: Sequence[Step]) -> list[Sequence[str]]:
    """The steps as cells, a head first; what a further session takes is reckoned from the row above."""
    head = ("idle sessions", "run in one of them", "fresh run", "all kernels (PSS)", "each further session", "gateway (PSS)")
    rows: list[Sequence[str]] = [head]
    for before, step in zip([None, *steps], steps, strict=False):
        added = (step.kernels - before.kernels) / (step.sessions - before.sessions) if before else None
        cells = (
            str(step.sessions),
            step.run.shown(),
            step.fresh.shown(),
            f"{step.kernels:.0f} MiB",
            "-" if added is None else f"{added:.1f} MiB",
            f"{step.gateway:.0f} MiB",
        )
        rows.append(cells)
    return rows

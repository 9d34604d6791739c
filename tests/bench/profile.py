"""Where the gateway's own processor time goes while it answers: cProfile, folded by package."""

from __future__ import annotations

import pstats
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.bench.client import Connection
from tests.live import start, stop, wait_ready

RUNS = 200
SHOWN = 14


def profile() -> list[str]:
    """One line for each package: its own share of the gateway's time over RUNS fresh runs; profiling slows all of it."""
    started, served = _take(0), _take(RUNS)
    served.subtract(started)  # what only the start and the end cost
    waiting = served.pop("waiting", 0.0)
    total = sum(used for used in served.values() if used > 0)
    lines = [
        f"- {name}: {100 * used / total:.0f} % ({1000 * used / RUNS:.2f} ms a run)"
        for name, used in served.most_common(SHOWN)
    ]
    return [*lines, f"- (waiting for events: {1000 * waiting / RUNS:.1f} ms a run)"]


def _take(runs: int) -> Counter[str]:
    """Seconds of the gateway's main thread by package, from start to end with *runs* fresh runs in between."""
    with tempfile.TemporaryDirectory(prefix="omega-bench-") as folder:
        out = Path(folder) / "profile"
        process, gateway = start(Path(folder), launcher=[sys.executable, "-m", "cProfile", "-o", str(out)])
        try:
            wait_ready(gateway, process)
            connection = Connection(gateway)
            for _ in range(runs):
                connection.post("python", {"code": "print(1)"})
            connection.close()
        finally:
            stop(process)
        return _fold(pstats.Stats(str(out)))


def _fold(stats: pstats.Stats) -> Counter[str]:
    """Own time by package; what is written in C counts for the package that called it."""
    own: Counter[str] = Counter()
    for (file, _, function), (_, _, own_s, _, callers) in stats.stats.items():  # type: ignore[attr-defined]  # not in typeshed
        if file == "~" and "poll" in function:
            own["waiting"] += own_s
        elif file == "~" and callers:
            for (caller, _, _), (_, _, share_s, _) in callers.items():
                own[_package(caller)] += share_s
        else:
            own[_package(file)] += own_s
    return own


def _package(file: str) -> str:
    """The package a profiled file belongs to; for our own code the layer."""
    for pattern in (r"/((?:gateway|kernels)/\w+)", r"/site-packages/(\w+)", r"/python3\.\d+/(\w+)"):
        if found := re.search(pattern, file):
            return found[1]
    return "other"

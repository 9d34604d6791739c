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
    with tempfile.TemporaryDirectory(prefix="omega-bench-") as folder:
        out = Path(folder) / "profile"
        process, gateway = start(Path(folder), launcher=[sys.executable, "-m", "cProfile", "-o", str(out)])
        try:
            wait_ready(gateway, process)
            connection = Connection(gateway)
            for _ in range(RUNS):
                connection.post("python", {"code": "print(1)"})
            connection.close()
        finally:
            stop(process)
        return _fold(pstats.Stats(str(out)))


def _fold(stats: pstats.Stats) -> list[str]:
    own: Counter[str] = Counter()
    for (file, _, function), (_, _, own_s, _, _) in stats.stats.items():  # type: ignore[attr-defined]  # not in typeshed
        own[_package(file, function)] += own_s
    waiting = own.pop("waiting", 0.0)
    total = sum(own.values())
    lines = [
        f"- {name}: {100 * share / total:.0f} % ({1000 * share / RUNS:.2f} ms a run)"
        for name, share in own.most_common(SHOWN)
    ]
    return [*lines, f"- (waiting for events: {1000 * waiting / RUNS:.1f} ms a run)"]


def _package(file: str, function: str) -> str:
    """The package a profiled function belongs to; for our own code the layer."""
    if file == "~":
        if "poll" in function:
            return "waiting"
        return "system calls and C" if any(word in function for word in ("send", "recv", "zmq")) else "built-ins"
    if found := re.search(r"/(?:site-packages|python3\.\d+)/(\w+)(?:/|\.py)", file):
        return found[1]
    found = re.search(r"/((?:gateway|kernels)/\w+)", file)
    return found[1] if found else "other"

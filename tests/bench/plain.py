"""Peers that need no server: a bare Python process, and one warm process that draws the same figure."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
KERNEL_PYTHON = ROOT / ".venv-kernels/bin/python"
IMPORTS = "import numpy, pandas, matplotlib, seaborn, scipy, sklearn"

FIGURE = """
import numpy as np
import matplotlib.pyplot as plt
x = np.linspace(0, 10, 500)
fig, ax = plt.subplots(figsize=(8, 5))
for k in range(4):
    ax.plot(x, np.sin(x + k) * np.exp(-x / 8), label=f"k = {k}")
ax.set_title("Damped waves")
ax.set_xlabel("time")
ax.set_ylabel("value")
ax.legend()
ax.grid(True)
"""

PAINTER = f"""
import io, sys, time
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
FIGURE = compile({FIGURE!r}, "figure", "exec")
def draw(dpi):
    begun = time.perf_counter()
    exec(FIGURE, {{}})
    buffer = io.BytesIO()
    plt.gcf().savefig(buffer, format="png", dpi=dpi, bbox_inches=TIGHT)
    plt.close("all")
    return (time.perf_counter() - begun) * 1000, buffer.tell()
for line in sys.stdin:
    dpi, TIGHT = float(line.split()[0]), line.split()[1] == "tight" and "tight" or None
    print(*draw(dpi), flush=True)
"""


def bare_python() -> str:
    """The interpreter for the bare process: that of the kernels' environment or the system's, whichever starts faster.

    What an operator has put into an interpreter's site-packages can slow each start; that must not flatter us.
    """
    command = "import os, sys; print(os.path.realpath(sys._base_executable))"
    base = subprocess.run([KERNEL_PYTHON, "-c", command], check=True, capture_output=True, text=True).stdout.strip()
    candidates = {base, *(path for path in ("/usr/bin/python3",) if os.access(path, os.X_OK))}
    return min(candidates, key=lambda python: min(time_process(python) for _ in range(5)))


def time_process(python: str) -> float:
    """How long `python3 -c "print(1)"` takes from start to end with its output read, in ms."""
    return _time_program([python, "-c", "print(1)"])


def time_node(node: str) -> float:
    """How long `node -e "console.log(1)"` takes from start to end with its output read, in ms."""
    return _time_program([node, "-e", "console.log(1)"])


def find_node() -> str:
    """The Node.js of the kernels' environment; RuntimeError when there is none."""
    found = sorted((ROOT / ".venv-kernels").glob("lib/python3*/site-packages/nodejs*/bin/node"))
    if not found:
        raise RuntimeError("the kernels' environment has no Node.js")
    return str(found[0])


def _time_program(command: list[str]) -> float:
    begun = time.perf_counter()
    reader, writer = os.pipe()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)])
    os.close(writer)
    with os.fdopen(reader, "rb") as output:
        text = output.read()
    _, status = os.waitpid(pid, 0)
    took_ms = (time.perf_counter() - begun) * 1000
    if status or text != b"1\n":
        raise RuntimeError(f"{command[0]} ended with {status} and said {text!r}")
    return took_ms


class Painter:
    """A plain, warm Python process that draws FIGURE and saves it to memory on request."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._asked: IO[str] = process.stdin
        self._answers: IO[str] = process.stdout

    def draw(self, dpi: int, *, tight: bool) -> tuple[float, int]:
        """The time to draw and save, in ms, taken inside the process, and the size of the PNG."""
        self._asked.write(f"{dpi} {'tight' if tight else 'plain'}\n")
        self._asked.flush()
        took_ms, size = self._answers.readline().split()
        return float(took_ms), int(size)


@contextlib.contextmanager
def painter() -> Iterator[Painter]:
    """A Painter whose process ends with the block."""
    with subprocess.Popen(
        [KERNEL_PYTHON, "-c", PAINTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Painter(process)
        finally:
            process.kill()

"""A program and the host that watches it wait for one another, so that neither has to guess how fast the other is."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tests import traces
from tests.live import HANG_S
from tests.promises.attempt import Place
from tests.promises.invariants import helpers

PORT = 40_961
_LISTENING = "0A"

BEACON = f"""
import signal, socket, time
told = []
signal.signal(signal.SIGUSR1, lambda *_: told.append(True))
beacon = socket.create_server(("0.0.0.0", {PORT}))
"""
"""Stands before a program. *beacon* tells the host that it runs; *told* is true once the host has seen enough."""


@contextlib.contextmanager
def lit(place: Place) -> Iterator[int]:
    """The pid of the kernel in which such a program runs by now; the program is told when the block is left."""
    deadline = time.monotonic() + HANG_S
    while (pid := _find(place.gateway.pid)) == 0:
        assert time.monotonic() < deadline, "no program has lit its beacon"
        time.sleep(0.01)  # another process: there is nothing to wait on
    try:
        yield pid
        assert _is_lit(pid), "the program did not wait"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR1)


def _find(gateway_pid: int) -> int:
    _spawner, zygote = helpers(gateway_pid)
    return next((pid for pid in traces.children(zygote) if _is_lit(pid)), 0)


def _is_lit(pid: int) -> bool:
    """Whether something listens at the port in the network that this process has."""
    with contextlib.suppress(OSError):
        rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
        return any(row[1].endswith(f":{PORT:04X}") and row[3] == _LISTENING for row in rows)
    return False

"""SIGTERM and Ctrl-C: the first one asks to drain, a second one ends at once, later ones wait for the cleaning up."""

from __future__ import annotations

import asyncio
import signal
from typing import Literal

Phase = Literal["starting", "serving", "draining", "closing"]
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def take_signals_back() -> None:
    """Have none blocked, and the ends of children not ignored: whoever started this process may have left it either way."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class StopSignals:
    """What signals mean, which depends on how far the gateway is. Owned by the task that serves."""

    def __init__(self, task: asyncio.Task[object]) -> None:
        self._task = task
        self._asked = asyncio.Event()
        self._phase: Phase = "starting"
        self.is_forced = False

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the signals of this process from here on."""
        for number in SIGNALS:
            loop.add_signal_handler(number, self.receive)

    def receive(self) -> None:
        """A signal came."""
        match self._phase:
            case "serving":
                self._phase = "draining"
                self._asked.set()
            case "starting" | "draining":
                # Cancelled, the task still ends every kernel on its way out.
                self._phase, self.is_forced = "closing", True
                self._task.cancel()
            case "closing":
                return

    async def wait(self) -> None:
        """Serve until somebody asks for the end."""
        self._phase = "serving"
        await self._asked.wait()

    def close(self) -> None:
        """From here on everything is being cleaned up, and signals do not disturb that."""
        self._phase = "closing"

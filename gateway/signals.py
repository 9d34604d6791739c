"""SIGTERM and Ctrl-C: the first starts the drain, the second stops at once, later ones wait for the clean-up."""

from __future__ import annotations

import asyncio
import signal
from typing import Literal

Phase = Literal["starting", "serving", "draining", "closing"]
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def take_signals_back() -> None:
    """Unblock all signals and stop ignoring SIGCHLD: the parent process may have left both in any state."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class StopSignals:
    """The effect of signals, which depends on the gateway's state. Owned by the serving task."""

    def __init__(self, task: asyncio.Task[object]) -> None:
        self._task = task
        self._asked = asyncio.Event()
        self._phase: Phase = "starting"
        self.is_forced = False

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Handle the signals of this process from now on."""
        for number in SIGNALS:
            loop.add_signal_handler(number, self.receive)

    def receive(self) -> None:
        """Handle a signal."""
        match self._phase:
            case "serving":
                self._phase = "draining"
                self._asked.set()
            case "starting" | "draining":
                # The cancelled task still ends every kernel.
                self._phase, self.is_forced = "closing", True
                self._task.cancel()
            case "closing":
                return

    async def wait(self) -> None:
        """Wait for the first signal."""
        self._phase = "serving"
        await self._asked.wait()

    def close(self) -> None:
        """Start the clean-up, which signals do not interrupt."""
        self._phase = "closing"

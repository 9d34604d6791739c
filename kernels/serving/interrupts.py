"""Handles SIGINT: it interrupts the caller's code, and never the kernel's own code around it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Interrupts:
    """The handler of SIGINT. Outside `allowed` it ignores an interrupt, or keeps it if the code is about to start."""

    def __init__(self) -> None:
        self._is_allowed = False
        self._is_expected = False
        self._is_pending = False
        self._instead: Callable[[], object] | None = None
        self._holds = 0
        self._is_held_back = False

    def install(self) -> None:
        """Handle SIGINT from now on, also if code has installed its own handler."""
        signal.signal(signal.SIGINT, self._handle)

    def _handle(self, _signal: int, frame: Any) -> None:
        if frame is not None and frame.f_code in _ENDS:
            return  # the code is over, and we are about to say so: raised here, it would leave interrupts allowed
        if self._is_allowed and self._holds:
            self._is_held_back = True
        elif self._is_allowed:
            self._interrupt()
        elif self._is_expected:
            self._is_pending = True

    def _interrupt(self) -> None:
        self._is_held_back = False  # two in a row are one
        if self._instead is None:
            raise KeyboardInterrupt
        self._instead()

    def __enter__(self) -> None:
        """Delay interrupts while an operation must not be cut, such as sending a message of several parts."""
        if threading.current_thread() is threading.main_thread():  # only the main thread receives signals
            self._holds += 1

    def __exit__(self, *_error: object) -> None:
        """Raise an interrupt that arrived in the meantime."""
        if threading.current_thread() is threading.main_thread():
            self._holds -= 1
            if self._is_held_back and not self._holds:
                self._interrupt()

    def expect(self) -> None:
        """A request has arrived: later interrupts are meant for its code."""
        self._is_pending, self._is_held_back, self._is_expected = False, False, True

    def refuse(self) -> None:
        """The code has ended: later interrupts are ignored."""
        self._is_allowed = self._is_expected = False
        self._is_held_back = False

    def allowed(self) -> Allowed:
        """Let interrupts raise KeyboardInterrupt inside the block; a kept one does so at once."""
        return Allowed(self)

    def allow(self) -> None:
        """Allow interrupts from now on."""
        self.install()
        self._is_allowed = True
        if self._is_pending:
            self._is_pending = False
            self._interrupt()

    @contextmanager
    def calling(self, instead: Callable[[], object]) -> Iterator[None]:
        """Call *instead* inside the block, where KeyboardInterrupt would end the event loop itself."""
        self._instead = instead
        try:
            yield
        finally:
            self._instead = None


class Allowed:
    """The block in which interrupts raise. Clean-up code belongs outside of it."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    def __enter__(self) -> None:
        try:
            self._interrupts.allow()
        except BaseException:
            self._interrupts.refuse()
            raise

    def __exit__(self, *_error: object) -> None:
        self._interrupts.refuse()


_ENDS = (Allowed.__exit__.__code__, Interrupts.refuse.__code__)
"""A signal that came before their first line is handled in their frame."""

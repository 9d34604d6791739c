"""The iopub socket, usable from every thread of the kernel, and the thread that serves it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import zmq
from ipykernel.thread import CONTROL_THREAD_NAME, make_selector_io_loop

from kernels.serving.interrupts import Interrupts

RETRY_S = 0.001
# As plain numbers: each operation on libzmq's own enumerations takes a microsecond, and a run has a hundred of them.
EVENTS, POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
LAST_PART, MORE_PARTS = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
PLAIN = frozenset((bytes, memoryview))
"""Types of parts that need no look before they are sent."""


class Publisher:
    """Sends iopub messages from any thread, and welcomes subscribers.

    libzmq sockets may change threads under a full lock, so a message goes out at once instead of being handed to another
    thread. XPUB with NODROP never loses a message: a slow reader slows the sender down instead.
    """

    def __init__(self, interrupts: Interrupts) -> None:
        self._socket: Any = None
        self._interrupts = interrupts
        self._lock = threading.Lock()
        self._pid = 0
        self.welcome: Callable[[bytes], list[bytes]] = lambda topic: []

    def open(self, socket: Any) -> None:
        """Publish on *socket* from now on, in this process only."""
        self._lock = threading.Lock()
        self._socket, self._pid = socket, os.getpid()

    def send_multipart(self, parts: list[Any], **_options: Any) -> None:
        """Send one message; waits while the reader is behind. Processes forked by user code send nothing here."""
        if self._pid != os.getpid():
            return
        while not self.try_send(parts):
            time.sleep(RETRY_S)

    def try_send(self, parts: list[Any]) -> bool:
        """Send one message if the reader has room for it; returns whether it was sent."""
        with self._interrupts, self._lock:
            if self._socket.closed:
                return True
            self._greet()
            try:
                self._send(parts)
            except zmq.Again:
                return False
            self._greet()
        return True

    def greet(self) -> None:
        """Answer waiting subscriptions with iopub_welcome."""
        with self._interrupts, self._lock:
            if not self._socket.closed:
                self._greet()

    def _send(self, parts: list[Any]) -> None:
        """Send one message whole, or raise zmq.Again or TypeError before anything of it is sent."""
        if not PLAIN.issuperset(map(type, parts)):
            self._socket.send_multipart(parts, LAST_PART)
            return
        send = self._socket.send
        for part in parts[:-1]:
            send(part, MORE_PARTS)
        send(parts[-1], LAST_PART)

    def _greet(self) -> None:
        # Every use of the socket may consume the edge of its descriptor, so each use checks for subscriptions, too.
        while self._socket.getsockopt(EVENTS) & POLLIN:
            frame = self._socket.recv(zmq.NOBLOCK)
            if frame[:1] == b"\x01":
                self._send(self.welcome(frame[1:]))


class Attendant(threading.Thread):
    """The second thread: it handles control requests, subscriptions and output while user code runs."""

    def __init__(self) -> None:
        # ipykernel recognises control requests by the name of the thread that handles them.
        super().__init__(name=CONTROL_THREAD_NAME, daemon=True)
        self.io_loop = make_selector_io_loop()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The asyncio loop this thread runs."""
        return self.io_loop.asyncio_loop  # type: ignore[attr-defined, no-any-return]  # tornado's loops all have it

    def run(self) -> None:
        """Serve until the process ends."""
        self.io_loop.start()

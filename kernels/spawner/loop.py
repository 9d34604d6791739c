"""A minimal event loop: readable descriptors and delayed calls."""

from __future__ import annotations

import heapq
import itertools
import math
import select
import time
from collections.abc import Callable

Callback = Callable[[], None]


class Loop:
    """Calls back when a descriptor is readable or a delay is over, one at a time, in one thread.

    On `select.poll` itself: every init shares the spawner's memory, so each page that Python code touches is copied for it.
    """

    def __init__(self) -> None:
        # Not epoll: Linux limits a user's epoll watches, and kernels that share the spawner's uid may have used them up.
        self._poll = select.poll()
        self._callbacks: dict[int, Callback] = {}
        self._later: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()
        self._running = True

    def watch(self, fd: int, callback: Callback) -> None:
        """Call *callback* whenever *fd* is readable, until it is forgotten; raises KeyError if it is already watched."""
        if fd in self._callbacks:
            raise KeyError(f"descriptor {fd} is watched already")
        self._poll.register(fd, select.POLLIN)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        """Stop watching *fd*; forgetting one that is not watched is fine."""
        if self._callbacks.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def call_later(self, delay_s: float, callback: Callback) -> None:
        """Call *callback* once, *delay_s* seconds from now."""
        heapq.heappush(self._later, (time.monotonic() + delay_s, next(self._order), callback))

    def stop(self) -> None:
        """Let run() return after the current callback."""
        self._running = False

    def run(self) -> None:
        """Serve callbacks until stop() is called."""
        while self._running:
            wait_ms = math.ceil(max(0.0, self._later[0][0] - time.monotonic()) * 1000) if self._later else None
            ready = [(fd, self._callbacks[fd]) for fd, _events in self._poll.poll(wait_ms)]
            for fd, callback in ready:
                # An earlier callback of this round may have forgotten (and closed) the descriptor.
                if self._callbacks.get(fd) is callback:
                    callback()
            while self._running and self._later and self._later[0][0] <= time.monotonic():
                heapq.heappop(self._later)[2]()

"""A minimal event loop: descriptors that became readable, and things to do a little later."""

from __future__ import annotations

import heapq
import itertools
import selectors
import time
from collections.abc import Callable

Callback = Callable[[], None]


class Loop:
    """Calls back when a descriptor is readable or a delay is over, one at a time, in one thread."""

    def __init__(self) -> None:
        # Not epoll: Linux counts what one user has it watch, and kernels that share our uid may have used all of it up.
        self._selector = selectors.PollSelector()
        self._later: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()
        self._running = True

    def watch(self, fd: int, callback: Callback) -> None:
        """Call *callback* whenever *fd* is readable, until it is forgotten."""
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def forget(self, fd: int) -> None:
        """Stop watching *fd*; forgetting one that is not watched is fine."""
        try:
            self._selector.unregister(fd)
        except (KeyError, ValueError):
            return

    def call_later(self, delay_s: float, callback: Callback) -> None:
        """Call *callback* once, *delay_s* seconds from now."""
        heapq.heappush(self._later, (time.monotonic() + delay_s, next(self._order), callback))

    def stop(self) -> None:
        """Let run() return after the current callback."""
        self._running = False

    def run(self) -> None:
        """Serve callbacks until stop() is called."""
        while self._running:
            wait_s = max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
            for key, _events in self._selector.select(wait_s):
                # An earlier callback of this round may have forgotten (and closed) the descriptor.
                if self._selector.get_map().get(key.fd) is key:
                    key.data()
            while self._running and self._later and self._later[0][0] <= time.monotonic():
                heapq.heappop(self._later)[2]()

"""What the gateway's event loop waits with."""

from __future__ import annotations

import asyncio
import errno
import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


class Waiting(selectors.BaseSelector):
    """Waits with epoll, and with poll from the moment that epoll takes no more.

    Linux counts what a user has epoll watch. Where kernels share the gateway's uid, code in one of them can use all of it
    up, and then no connection could be served any more. poll has no such limit; it takes longer with many connections.
    """

    def __init__(self) -> None:
        self._inner: selectors.BaseSelector = selectors.DefaultSelector()

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        """Wait for *fileobj* from now on."""
        try:
            return self._inner.register(fileobj, events, data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.ENOMEM):
                raise
        self._leave_epoll()
        return self._inner.register(fileobj, events, data)

    def _leave_epoll(self) -> None:
        left, self._inner = self._inner, selectors.PollSelector()
        for key in list(left.get_map().values()):
            self._inner.register(key.fileobj, key.events, key.data)
        left.close()

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """Wait for it no more."""
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        """Wait for other events of it."""
        return self._inner.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, at the latest after *timeout* seconds."""
        return self._inner.select(timeout)

    def get_key(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """What was registered of it; raises KeyError."""
        return self._inner.get_key(fileobj)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        """All that was registered."""
        return self._inner.get_map()

    def close(self) -> None:
        """Let go of everything."""
        self._inner.close()


def make_loop() -> asyncio.AbstractEventLoop:
    """The loop of a gateway."""
    return asyncio.SelectorEventLoop(Waiting())

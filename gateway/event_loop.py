"""The selector of the gateway's event loop."""

from __future__ import annotations

import asyncio
import errno
import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


class Waiting(selectors.BaseSelector):
    """Waits with epoll, and with poll once epoll accepts no more descriptors.

    Linux limits the descriptors that one user watches with epoll. If kernels share the gateway's uid, their code can
    use up that limit, and the gateway could serve no connection. poll has no limit; it is slower with many connections.
    """

    def __init__(self) -> None:
        self._inner: selectors.BaseSelector = selectors.DefaultSelector()

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        """Start to wait for *fileobj*."""
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
        """Stop waiting for it."""
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        """Change the events to wait for."""
        return self._inner.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The ready descriptors, after at most *timeout* seconds."""
        return self._inner.select(timeout)

    def get_key(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """Its registration; raises KeyError."""
        return self._inner.get_key(fileobj)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        """All registrations."""
        return self._inner.get_map()

    def close(self) -> None:
        """Close the selectors."""
        self._inner.close()


def make_loop() -> asyncio.AbstractEventLoop:
    """A new event loop for the gateway."""
    return asyncio.SelectorEventLoop(Waiting())

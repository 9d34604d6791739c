"""The gateway's event loop where epoll has no more room: imitated, as using it up takes a gigabyte."""

from __future__ import annotations

import asyncio
import errno
import os
import selectors
import socket
from typing import Any

import pytest

from gateway import event_loop


class Full(selectors.EpollSelector):
    """Takes three descriptors and no more: a loop's own, a server's and a connection's."""

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As Linux says it."""
        if len(self.get_map()) >= 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().register(fileobj, events, data)


async def _serve_five() -> list[bytes]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def ask(number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.05)  # all of them are open at once
        writer.write(b"%d\n" % number)
        said = await reader.readline()
        writer.close()
        return said

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        return list(await asyncio.gather(*(ask(number) for number in range(5))))


def test_connections_are_served_when_epoll_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were there, and new ones."""
    monkeypatch.setattr(selectors, "DefaultSelector", Full)
    with asyncio.Runner(loop_factory=event_loop.make_loop) as runner:
        assert runner.run(_serve_five()) == [b"%d\n" % number for number in range(5)]


def test_what_was_registered_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events and data, also where one is changed or taken away afterwards."""
    monkeypatch.setattr(selectors, "DefaultSelector", Full)
    pairs = [socket.socketpair() for _ in range(5)]
    selector = event_loop.Waiting()
    try:
        for number, (ours, _theirs) in enumerate(pairs):
            selector.register(ours, selectors.EVENT_READ, number)
        assert len(selector.get_map()) == 5
        assert selector.select(0) == []
        for _ours, theirs in pairs:
            theirs.send(b"x")
        selector.unregister(pairs[0][0])
        selector.modify(pairs[1][0], selectors.EVENT_WRITE, "changed")
        said = {key.data: events for key, events in selector.select(0)}
        assert said == {"changed": selectors.EVENT_WRITE, 2: 1, 3: 1, 4: 1}
        assert selector.get_key(pairs[4][0]).data == 4
    finally:
        selector.close()
        for pair in pairs:
            for end in pair:
                end.close()


def test_another_error_is_not_taken_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """A descriptor that is none stays a fault."""
    selector = event_loop.Waiting()
    with pytest.raises(OSError, match="Bad file descriptor"):
        selector.register(1_000_000, selectors.EVENT_READ)
    assert isinstance(selector._inner, selectors.EpollSelector)
    selector.close()

"""Which WebSockets are told that the gateway ends, and when the gateway stops waiting for them."""

from __future__ import annotations

import asyncio

from gateway.web.edge.open_sockets import OpenSockets
from tests.fakes import in_fake_time


class FakeSocket:
    """An open WebSocket; with *sockets* its client agrees to the close at once."""

    def __init__(self, *, is_busy: bool = False, sockets: OpenSockets | None = None) -> None:
        self.is_busy = is_busy
        self.ended: list[tuple[int, str]] = []
        self.is_dropped = False
        self._sockets = sockets

    def end(self, code: int, reason: str) -> None:
        self.ended.append((code, reason))
        if self._sockets is not None:
            self._sockets.leave(self)

    def drop(self) -> None:
        self.is_dropped = True


async def test_only_idle_ones_are_closed_while_others_are_busy() -> None:
    """A client keeps its WebSocket until its run is over."""
    sockets, idle, busy = OpenSockets(), FakeSocket(), FakeSocket(is_busy=True)
    sockets.enter(idle)
    sockets.enter(busy)
    assert (len(sockets), sockets.is_busy) == (2, True)
    sockets.end_idle(1001, "over")
    assert (idle.ended, busy.ended) == ([(1001, "over")], [])
    sockets.leave(busy)
    assert (len(sockets), sockets.is_busy) == (1, False)


async def test_closing_waits_until_all_clients_agree() -> None:
    """It returns with the last of them; without any it returns at once."""
    sockets = OpenSockets()
    await sockets.end(1001, "over", timeout_s=60)
    agreeing, slow = FakeSocket(sockets=sockets), FakeSocket()
    sockets.enter(agreeing)
    sockets.enter(slow)
    ending = asyncio.create_task(sockets.end(1001, "over", timeout_s=60))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (agreeing.ended, slow.ended, ending.done()) == ([(1001, "over")], [(1001, "over")], False)
    sockets.leave(slow)
    await ending
    assert not (agreeing.is_dropped or slow.is_dropped)


def test_closing_does_not_wait_longer_than_it_may() -> None:
    """A client that never agrees holds up nobody; it can still be cut off."""

    async def main() -> float:
        sockets, silent = OpenSockets(), FakeSocket()
        sockets.enter(silent)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await sockets.end(1001, "over", timeout_s=5)
        assert not silent.is_dropped
        sockets.drop()
        assert silent.is_dropped
        return loop.time() - begun

    assert 5 <= in_fake_time(main()) < 6

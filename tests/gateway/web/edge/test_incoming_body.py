"""A body while it arrives: exact limits, nothing kept of a refused one, and one clock for what is missing."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from gateway.core.errors import BadRequest, GatewayError, RequestTimeout, TooLarge
from gateway.web.edge.incoming_body import DRAIN_FACTOR, IncomingBody
from tests.fakes import in_fake_time


def test_the_limits_are_exact() -> None:
    """One byte more is over the limit; the rest is read up to a multiple of it."""
    body = IncomingBody(10)
    seen = []
    for received in (10, 11, 10 * DRAIN_FACTOR, 10 * DRAIN_FACTOR + 1):
        body.received_bytes = received
        seen.append((body.is_over_limit, body.is_over_drain))
    assert seen == [(False, False), (True, False), (True, False), (True, True)]


def test_a_declared_length_is_checked_before_anything_comes() -> None:
    """The sentence names the limit."""
    body = IncomingBody(10)
    body.check_declared(10)
    body.check_declared(-1)  # framing refuses that
    with pytest.raises(TooLarge, match="limit of 10 bytes"):
        body.check_declared(11)


def test_nothing_is_kept_of_a_refused_body() -> None:
    """It would cost memory while the rest is discarded."""
    body = IncomingBody(10)
    body.keep(b"abc")
    body.keep(b"def")
    assert body.data == b"abcdef"
    error = BadRequest("No.")
    body.refuse(error)
    assert (body.data, body.refusal) == (b"", error)


def test_a_late_body_is_reported_once() -> None:
    """The last call decides when; after the end nothing is reported."""

    async def main() -> None:
        loop, late = asyncio.get_running_loop(), list[tuple[float, GatewayError]]()
        begun = loop.time()

        def note(error: GatewayError) -> None:
            late.append((loop.time() - begun, error))

        body = IncomingBody(10)
        body.expect_within(5, note)
        body.expect_within(20, note)
        await asyncio.sleep(100)
        assert [(round(at_s), type(error)) for at_s, error in late] == [(20, RequestTimeout)]
        body.expect_within(5, note)
        body.stop_waiting()
        body.stop_waiting()
        await asyncio.sleep(100)
        assert len(late) == 1

    in_fake_time(main())


def test_whoever_waits_is_free_of_the_body_afterwards() -> None:
    """The handler has the body, and the body's clock calls the handler: a cycle would keep both until garbage collection."""

    class Waiter:
        def __init__(self) -> None:
            self.body = IncomingBody(10)

        def note(self, error: GatewayError) -> None: ...

    async def main() -> None:
        waiter = Waiter()
        waiter.body.expect_within(5, waiter.note)
        waiter.body.stop_waiting()
        gone = weakref.ref(waiter)
        gc.disable()
        try:
            del waiter
            assert gone() is None
        finally:
            gc.enable()

    in_fake_time(main())

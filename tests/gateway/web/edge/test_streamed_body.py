"""The pipe between the socket and the reader of a large body: in order, a few pieces ahead, and never stuck."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import TooLarge
from gateway.web.edge.streamed_body import PIECES_AHEAD, BodyPipe


async def until_idle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_pieces_come_in_order_to_the_end() -> None:
    """However many there are."""
    pipe, sent = BodyPipe(), [str(number).encode() for number in range(3 * PIECES_AHEAD)]

    async def send() -> None:
        for piece in sent:
            await pipe.put(piece)
        await pipe.end()

    sending = asyncio.create_task(send())
    assert [piece async for piece in pipe.read()] == sent
    await sending


async def test_the_socket_waits_for_the_reader() -> None:
    """So a client can't fill the memory with a body that is written slowly."""
    pipe = BodyPipe()
    for _ in range(PIECES_AHEAD):
        await pipe.put(b"x")
    putting = asyncio.create_task(pipe.put(b"y"))
    await until_idle()
    assert not putting.done()
    reading = pipe.read()
    await anext(reading)
    await putting
    await reading.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_an_error_takes_the_place_of_the_rest() -> None:
    """Also when the pipe is full: the reader must not write what will be refused."""
    pipe = BodyPipe()
    for _ in range(PIECES_AHEAD):
        await pipe.put(b"x")
    pipe.fail(TooLarge("No."))
    with pytest.raises(TooLarge):
        await anext(pipe.read())


async def test_a_pipe_that_nobody_reads_discards_the_rest() -> None:
    """The endpoint has answered: the socket must neither wait nor keep what still comes."""
    pipe = BodyPipe()
    for _ in range(PIECES_AHEAD):
        await pipe.put(b"x")
    putting = asyncio.create_task(pipe.put(b"y"))
    await until_idle()
    pipe.close()
    await putting
    for _ in range(2 * PIECES_AHEAD):
        await pipe.put(b"z")
    await pipe.end()

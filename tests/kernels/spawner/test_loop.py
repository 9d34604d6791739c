"""The spawner's loop: what is forgotten is not called, whatever was ready at the same time."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from kernels.spawner.loop import Loop


@pytest.fixture
def ready() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets that are readable."""
    first, one = socket.socketpair()
    second, other = socket.socketpair()
    with first, second, one, other:
        one.send(b"1")
        other.send(b"1")
        yield first, second


def test_a_descriptor_that_was_forgotten_in_the_same_round_is_not_called(
    ready: tuple[socket.socket, socket.socket],
) -> None:
    """Nor is what has its number by then: that was not ready."""
    loop, called = Loop(), []
    quiet, end = socket.socketpair()
    number = ready[1].fileno()

    def replace() -> None:
        called.append("first")
        for item in ready:
            loop.forget(item.fileno())
        os.dup2(quiet.fileno(), number)
        loop.watch(number, lambda: called.append("another one"))
        loop.call_later(0, loop.stop)

    loop.watch(ready[0].fileno(), replace)
    loop.watch(number, lambda: called.append("second"))
    with quiet, end:
        loop.run()
    assert called == ["first"]


def test_the_end_of_a_stream_is_told(ready: tuple[socket.socket, socket.socket]) -> None:
    """As readable, also where nothing can be read any more."""
    loop, called = Loop(), []
    ours, theirs = socket.socketpair()
    theirs.close()

    def end() -> None:
        called.append("end")
        loop.stop()

    with ours:
        loop.watch(ours.fileno(), end)
        loop.run()
    assert called == ["end"]


def test_a_descriptor_is_watched_once() -> None:
    """A second callback would be lost, or the first; forgetting is always fine."""
    loop, (ours, theirs) = Loop(), socket.socketpair()
    with ours, theirs:
        loop.watch(ours.fileno(), loop.stop)
        with pytest.raises(KeyError):
            loop.watch(ours.fileno(), loop.stop)
        loop.forget(ours.fileno())
        loop.forget(ours.fileno())


def test_what_comes_later_comes_in_its_order() -> None:
    """By time, and at the same time as it was asked for."""
    loop, called = Loop(), []
    loop.call_later(0.01, loop.stop)
    for name in "abc":
        loop.call_later(0, lambda name=name: called.append(name))  # type: ignore[misc]  # bound at once
    loop.run()
    assert called == ["a", "b", "c"]

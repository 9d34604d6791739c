"""Who has to go when there is no room for a new connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.web.edge.connections import Connections


class Line:
    """A connection that remembers whether it was closed."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_the_longest_waiting_one_goes_first() -> None:
    """One that has just asked something waits anew."""
    connections, (first, second, third, fourth) = Connections(3), (Line(), Line(), Line(), Line())
    for line in (first, second, third):
        assert connections.enter(line)
    connections.work(first)
    connections.wait(first)
    assert connections.enter(fourth)
    assert [line.is_closed for line in (first, second, third, fourth)] == [False, True, False, False]


def test_one_that_works_never_goes() -> None:
    """Whoever comes is turned away instead."""
    connections, lines = Connections(2), [Line(), Line()]
    for line in lines:
        connections.enter(line)
        connections.work(line)
    assert not connections.enter(Line())
    assert not any(line.is_closed for line in lines)
    connections.leave(lines[0])
    assert connections.enter(Line())


def test_a_websocket_counts_until_it_is_released() -> None:
    """HTTP leaves its connection at the upgrade; it never has to go for another one."""
    connections, (socket, other) = Connections(1), (Line(), Line())
    connections.enter(socket)
    connections.work(socket)
    connections.upgrade(socket)
    connections.leave(socket)
    assert not connections.enter(other)
    assert not socket.is_closed
    assert connections.states() == {"request": 0, "websocket": 1, "waiting": 0}
    connections.release(socket)
    assert connections.enter(other)
    assert connections.states() == {"request": 0, "websocket": 0, "waiting": 1}
    connections.work(other)
    assert connections.states() == {"request": 1, "websocket": 0, "waiting": 0}


@given(st.lists(st.tuples(st.sampled_from(["enter", "work", "wait", "leave"]), st.integers(0, 30)), max_size=200))
def test_there_are_never_more_than_allowed(steps: list[tuple[str, int]]) -> None:
    """In whatever order connections come, work and go, also after they were closed for others."""
    connections, lines = Connections(5), [Line() for _ in range(31)]
    inside: set[int] = set()
    for step, number in steps:
        line = lines[number]
        if step == "enter":
            if number in inside:
                continue
            line.is_closed = False
            if connections.enter(line):
                inside.add(number)
        else:
            getattr(connections, step)(line)
            if step == "leave":
                inside.discard(number)
        inside = {other for other in inside if not lines[other].is_closed}
        assert len(connections) == len(inside) <= 5

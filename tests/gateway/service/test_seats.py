"""How many kernels may be kept: by one key, by all, and what is always left to single runs."""

from __future__ import annotations

import pytest

from gateway.core.errors import Busy, TooManyRequests
from gateway.core.limits import KeyLimits
from gateway.core.plan import MIB, Limits
from gateway.core.request import Caller
from gateway.service.seats import Room, Seats
from kernels.contract import Policy

ONE, TWO = Caller("k1", "one"), Caller("k2", "two")
POLICY = Policy(memory_bytes=400 * MIB)
LIMITS = Limits(kernels=10, memory_bytes=10_000 * MIB, idle_bytes=10 * MIB, used_share=0.25)
"""A kept kernel is promised 100 MiB."""


def take(seats: Seats, caller: Caller, times: int) -> None:
    """So many more for *caller*."""
    for _ in range(times):
        seats.take(caller)


def test_a_key_keeps_as_many_as_it_may() -> None:
    """One over the limit is 429 with a time to wait; one given back makes room; other keys are not touched."""
    seats = Seats(2)
    take(seats, ONE, 2)
    with pytest.raises(TooManyRequests, match="may keep 2 sessions") as refused:
        seats.take(ONE)
    assert refused.value.retry_after_s
    seats.take(TWO)
    seats.give_back(ONE)
    seats.take(ONE)
    assert seats.taken == 3


def test_a_key_may_have_a_limit_of_its_own() -> None:
    """More or fewer than others, or none at all."""
    seats = Seats(2)
    take(seats, Caller("k3", "three", KeyLimits(sessions=3)), 3)
    with pytest.raises(TooManyRequests, match="may keep 0 sessions"):
        seats.take(Caller("k4", "four", KeyLimits(sessions=0)))


def test_kernels_are_left_to_single_runs() -> None:
    """Of ten kernels two are never kept, whoever asks."""
    seats = Seats(100, Room.beside(2, 0, POLICY, LIMITS))
    take(seats, ONE, 4)
    take(seats, TWO, 4)
    with pytest.raises(Busy):
        seats.take(TWO)
    seats.give_back(ONE)
    seats.take(TWO)


def test_a_bound_of_the_operators_own_can_only_be_lower() -> None:
    """What is reserved stays reserved."""
    assert Room.beside(2, 5, POLICY, LIMITS).kernels == 5
    assert Room.beside(2, 50, POLICY, LIMITS).kernels == 8
    assert Room.beside(20, 0, POLICY, LIMITS).kernels == 0


def test_memory_is_left_to_single_runs() -> None:
    """Kept kernels count as the pool counts them: 100 MiB each here, 200 for a key with twice the memory."""
    limits = Limits(kernels=10, memory_bytes=600 * MIB, idle_bytes=10 * MIB, used_share=0.25)
    seats = Seats(100, Room.beside(2, 0, POLICY, limits))
    large = Caller("k5", "five", policy=Policy(memory_bytes=800 * MIB))
    seats.take(large)
    take(seats, ONE, 2)
    with pytest.raises(Busy):
        seats.take(ONE)
    seats.give_back(large)
    take(seats, ONE, 2)
    assert seats.taken == 4

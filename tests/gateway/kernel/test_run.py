"""What one run may send in all, counted before anything of it is decoded."""

from __future__ import annotations

import pytest

from gateway.core.model import RunSpec
from gateway.kernel.run import Cause, Run

MIB = 1024 * 1024


def run() -> Run:
    """A run with the default limits."""
    return Run("m", RunSpec("python", "", 30, MIB, 32 * MIB), None, 0.0)


@pytest.mark.parametrize(
    "junk",
    [b"x" * (16 * MIB), b"[]," * MIB, b'{"a":1},' * MIB, b"," * (4 * MIB)],
    ids=["bytes", "lists", "objects", "commas"],
)
async def test_padding_ends_the_run_before_it_is_decoded(junk: bytes) -> None:
    """Whatever kind of message carries it: it is charged by its weight and by what decoding it would cost."""
    taken, one = 0, run()
    while one.can_take([b"signature", junk]):
        taken += len(junk)
        assert taken < 128 * MIB
    assert await one.next_cause() is Cause.EXCEEDED
    assert not one.can_take([b"more"])


def test_all_that_the_limits_allow_fits() -> None:
    """A megabyte of text in small pieces or in one, each character escaped, and charts up to their limit."""
    assert all(run().can_take([b"h" * 900, b"x" * 20]) for _ in range(100_000))
    one = run()
    assert one.can_take([rb"\u0001" * MIB])
    assert all(one.can_take([b"iVBORw0KGgo" * (MIB // 11)]) for _ in range(32))
    assert run().can_take([b"1.0,2.0\n" * (MIB // 8)])

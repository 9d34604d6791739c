"""What a client may ask of a kernel's history."""

from __future__ import annotations

from types import SimpleNamespace

from kernels.python.history import KernelHistory

MANAGER = SimpleNamespace(
    input_hist_raw=["", "%time 1", "x = 2", "1+1", "x = 2", "X = 3"],
    input_hist_parsed=["", "magic()", "x = 2", "1+1", "x = 2", "X = 3"],
)


def past(*, raw: bool = True, output: bool = False) -> KernelHistory:
    """The history of five inputs."""
    return KernelHistory(MANAGER, raw=raw, output=output)


def test_the_tail_is_the_last_inputs_in_order() -> None:
    """All of them without a number, none for zero; line 0 is no input."""
    assert past().tail(2) == [(1, 4, "x = 2"), (1, 5, "X = 3")]
    assert [line for _, line, _ in past().tail(None)] == [1, 2, 3, 4, 5]
    assert past().tail(0) == []
    assert past(raw=False).tail(5)[0] == (1, 1, "magic()")


def test_outputs_are_asked_for_in_vain() -> None:
    """Each entry has its place for one, as the protocol says."""
    assert past(output=True).tail(1) == [(1, 5, ("X = 3", None))]


def test_a_range_is_of_this_session_alone() -> None:
    """Which is number 1, or 0; up to before its end."""
    assert past().range(1, 2, 4) == [(1, 2, "x = 2"), (1, 3, "1+1")]
    assert past().range(0, 5, None) == [(1, 5, "X = 3")]
    assert past().range(-1, 0, None) == past().range(7, 0, None) == []


def test_a_search_takes_wildcards_and_minds_the_case() -> None:
    """And leaves repeated inputs out where that is asked."""
    assert [line for _, line, _ in past().search("x*", None, unique=False)] == [2, 4]
    assert past().search("x ?*", 5, unique=True) == [(1, 4, "x = 2")]
    assert past().search("*=*", 1, unique=False) == [(1, 5, "X = 3")]

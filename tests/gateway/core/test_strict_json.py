"""Any decoded JSON becomes strict JSON or is refused."""

from __future__ import annotations

import gc
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core import strict_json
from gateway.core.json_limits import KERNEL_DEPTH
from gateway.core.strict_json import (
    NODE_BYTES,
    Budget,
    TooMuch,
    clean,
    clean_int,
    clean_text,
    count,
    decode,
    has_more_values,
    is_deeper,
    size_bytes,
    text_bytes,
)

if TYPE_CHECKING:
    from _typeshed import TraceFunction

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner),
    max_leaves=30,
)


@given(anything)
@example(None)
@example(1.5)
@example(math.nan)
@example(7)
@example("é")
@example("a")
@example({"a": [1.5, math.inf, 2**70, "\ud800"]})
def test_what_comes_out_is_json_that_any_strict_parser_reads(value: object) -> None:
    """No NaN, no lone surrogate, no integer beyond 64 bits may leave the gateway."""
    cleaned = clean(value, Budget())
    text = json.dumps(cleaned, allow_nan=False, ensure_ascii=False).encode()
    assert json.loads(text) == cleaned


@given(anything)
def test_cleaning_twice_changes_nothing(value: object) -> None:
    """Cleaned values are already clean."""
    once = clean(value, Budget())
    assert clean(once, Budget()) == once


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_no_word_for_become_null(number: float) -> None:
    """Browsers refuse NaN and Infinity."""
    assert clean([number, 1.5], Budget()) == [None, 1.5]


def test_integers_that_doubles_cannot_hold_become_text() -> None:
    """Most JSON readers would silently round them."""
    for number in (2**53 - 1, -(2**53) + 1):
        assert clean_int(number) == decode(str(number).encode()) == number
    for number in (2**53, -(2**53), 10**15 * 9 + 10**15, -(10**16), 2**63, 2**64, -(2**63) - 1):
        assert clean_int(number) == decode(str(number).encode()) == str(number)
        assert clean([number], Budget()) == [str(number)]


def test_integers_with_thousands_of_digits_become_text_quickly() -> None:
    """Decimal digits of huge integers take quadratic time, and Python refuses them."""
    huge = 1 << 1_000_000
    assert clean_int(huge) == hex(huge)
    assert str(clean_int(10**3500)).startswith("1000")


def test_numbers_are_read_as_far_as_they_are_numbers() -> None:
    """A million digits would take seconds to become an int, and 1e999 is an infinity in other words."""
    assert decode(b"[NaN, -Infinity, 1e999, 1.5, 18446744073709551616]") == [None, None, None, 1.5, str(2**64)]
    assert decode(b"1" * 1_000_000) == "1" * 1_000_000


@pytest.mark.parametrize("digits", range(13, 19))
@pytest.mark.parametrize("first", ["1", "9", "90", "9007199254740991", "9007199254740992"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_is_text_if_it_is_not_safe_whatever_stands_beside_it(sign: str, first: str, digits: int) -> None:
    """Beside a long number, or NaN, numbers are read in another way; the answer is the same."""
    number = int(sign + first.ljust(digits, "9")[:digits])
    for beside in ("1", "10000000000000000", "NaN"):
        assert decode(f"[{number},{beside}]".encode())[0] == clean_int(number)  # type: ignore[index]  # a list


def marks_of(value: object) -> int:
    """The containers and commas in *value* as JSON."""
    children = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    if children is None:
        return 0
    return 1 + max(0, len(children) - 1) + sum(map(marks_of, children))


@given(
    st.recursive(
        st.none() | st.text(st.sampled_from('a,[{"\\\n'), max_size=6),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from(',[{"\\b'), max_size=4), inner),
    )
)
@example(['[,{"', "\\", {",": None, "b": ["a"]}, []])
def test_values_are_counted_without_what_stands_in_strings(value: object) -> None:
    """Exactly, whatever the strings are made of."""
    data, marks = json.dumps(value).encode(), marks_of(value)
    assert not has_more_values(data, marks)
    assert marks == 0 or has_more_values(data, marks - 1)


@given(st.lists(st.text(st.sampled_from(',[{"\\\\é'), max_size=9), max_size=9), st.integers(1, 9), st.integers(1, 9))
@example(['"\\,[', "é\\\\", ""], 1, 1)
@example(["\\" * 9, '{"'], 3, 2)
def test_counting_does_not_depend_on_where_it_is_cut(texts: list[str], piece: int, step: int) -> None:
    """Long texts are looked at piece by piece; an escape may lie on the cut."""
    data = json.dumps([texts, {"a,[": texts}]).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "FEW", 0)
        whole = count(data)
        patch.setattr(strict_json, "_PIECE_BYTES", piece + 1)
        patch.setattr(strict_json, "STEP_BYTES", step)
        assert count(data) == whole
    assert whole.values == marks_of([texts, {"a,[": texts}])


def test_half_characters_count_as_values() -> None:
    """Each has to be replaced, wherever it stands."""
    assert count(rb'["' + rb"\ud800\uDC00" * 1000 + b'"]', 1999).values >= 2000


@given(anything, st.integers(1, 9))
@example([2**70, "1" * 20, -(2**64), 1.5], 3)
def test_reading_does_not_depend_on_where_it_is_cut(value: object, step: int) -> None:
    """The long numbers, which are text afterwards, may lie on the cut."""
    data = json.dumps(value).encode()
    whole = decode(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "STEP_BYTES", step)
        assert decode(data) == whole
    assert clean(whole, Budget()) == clean(value, Budget())


@given(st.recursive(st.just([]), lambda inner: st.lists(inner, max_size=4)), st.integers(0, 9))
@example([[[]], [[], [[]]]], 3)
def test_how_deep_it_is(value: list[object], levels: int) -> None:
    """Exactly, however broad it is."""

    def depth(part: list[object]) -> int:
        return 1 + max((depth(inner) for inner in part if isinstance(inner, list)), default=0)

    assert is_deeper(json.dumps(value).encode(), levels) == (depth(value) > levels)


@pytest.mark.parametrize(("data", "error"), [(b"{", ValueError), (b"\xff", ValueError), (b"[" * 100_000, RecursionError)])
def test_what_cannot_be_read_is_an_error(data: bytes, error: type[Exception]) -> None:
    """Of two kinds, whatever the bytes."""
    with pytest.raises(error):
        decode(data)


def test_lone_surrogates_are_replaced_and_pairs_joined() -> None:
    """Half a character cannot be encoded; two halves that belong together can."""
    assert clean_text("a\ud800b") == "a\ufffdb"
    assert clean_text("\ud83d\ude00") == "\U0001f600"
    assert clean_text("é") == "é"


def test_depth_is_bounded() -> None:
    """One level more than allowed is refused, not followed."""
    value: object = 1
    for _ in range(KERNEL_DEPTH):
        value = [value]
    clean(value, Budget())
    with pytest.raises(TooMuch):
        clean([value], Budget())


def test_depth_is_that_of_lists_and_objects_and_not_of_brackets_in_text() -> None:
    """Whatever stands beside them."""
    text: object = ["[{" * 1000 + '"\\]', {"}]" * 1000 + '\\"[': "\\"}]
    assert clean(text, Budget()) == text
    value: object = ["]", {"{": [""]}]
    for level in range((KERNEL_DEPTH - 4) // 2):
        value = {"a": [{}], "b]": [[str(level)], value, {}], "c": []}
    assert clean(value, Budget()) == value
    with pytest.raises(TooMuch):
        clean({"a": [[value]]}, Budget())


@contextmanager
def counting_lines() -> Iterator[list[int]]:
    """How many lines of Python are executed meanwhile, loops within one line counted for each round."""
    lines, before = [0], sys.gettrace()

    def trace(_frame: FrameType, event: str, _argument: object) -> TraceFunction | None:
        lines[0] += event == "line"
        return trace

    gc.disable()  # hypothesis looks at each collection, in Python
    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)
        gc.enable()


@pytest.mark.parametrize("parts", ['{"a":1}', "[]", "1.5", '"["', "[null]"])
def test_a_million_parts_take_no_look_at_each(parts: str) -> None:
    """Kernels decide how many there are, and nobody else is served meanwhile."""
    value = decode(b"[" + b",".join([parts.encode()] * 500_000) + b"]")
    with counting_lines() as lines:
        cleaned = clean(value, Budget())
        size_bytes({"application/json": cleaned})
    assert cleaned == value
    assert 0 < lines[0] < 1000


def test_a_hundred_thousand_levels_do_not_exhaust_the_stack() -> None:
    """Only the allowed levels are ever entered."""
    value: object = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(TooMuch):
        clean(value, Budget())


def test_size_is_bounded_also_for_what_has_no_text() -> None:
    """Millions of empty lists are not free."""
    with pytest.raises(TooMuch):
        clean([[] for _ in range(1000)], Budget(4000))
    with pytest.raises(TooMuch):
        clean("x" * 5000, Budget(4000))
    with pytest.raises(TooMuch):
        clean({"x" * 5000: 1}, Budget(4000))


@pytest.mark.parametrize("value", [b"bytes", object(), (1, 2), 1j, [b"bytes"], {"a": object()}])
def test_what_is_not_json_is_refused(value: object) -> None:
    """A decoder of ours never makes these; anything that does is wrong."""
    with pytest.raises(TooMuch):
        clean(value, Budget())


def test_sizes_of_text_are_exact() -> None:
    """Limits count bytes, not characters."""
    assert text_bytes("aé€\U0001f600") == 10
    assert size_bytes("é") == 2
    assert size_bytes({"a": ["bc", 1]}) > 3
    assert size_bytes(None) == size_bytes(True) == size_bytes(1.5) > 0
    assert size_bytes({"é": "é"}) == NODE_BYTES + 4
    assert size_bytes(["é" * 100]) > 200
    assert size_bytes({"a": {"b": "é" * 100}}) > 200

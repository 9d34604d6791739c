"""Any value becomes JSON that every strict reader accepts."""

from __future__ import annotations

import json
import math
from types import MappingProxyType

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.json_limits import ANSWER_DEPTH
from gateway.web.edge.json_answer import clean, describe_failure, document, documenting, dump


def strict(data: bytes) -> object:
    """*data* read by the strictest reader at hand."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(data.decode("utf-8"), parse_constant=refuse)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (math.nan, None),
        (math.inf, None),
        ([-math.inf, 1.5], [None, 1.5]),
        (2**53 - 1, 2**53 - 1),
        (2**53, "9007199254740992"),
        (-(2**53), "-9007199254740992"),
        (10**30, "1" + "0" * 30),
        ("\ud800x", "\ufffdx"),
        ("\ud83e\udd89", "🦉"),
        ({"\udfff": 1, 5: 2, None: 3}, {"\ufffd": 1, "5": 2, "None": 3}),
        (MappingProxyType({"a": (1, 2)}), {"a": [1, 2]}),
        (True, True),
        (b"x", "(bytes)"),
        (object(), "(object)"),
    ],
)
def test_what_json_has_no_form_for_is_replaced(value: object, sent: object) -> None:
    """By what the module's first lines promise; whatever else is beside it stays."""
    assert strict(dump({"v": value, "w": 1})) == {"v": sent, "w": 1}


def test_a_number_of_many_thousand_digits_is_sent() -> None:
    """In hexadecimal, because decimal takes a time that grows with the square."""
    assert strict(dump([10**5000])) == [hex(10**5000)]


def test_a_document_ends_its_line() -> None:
    """Whichever way it was encoded; an event does not."""
    for value in ({"v": 1}, {"v": 2**80}):
        assert document(value) == dump(value) + b"\n"
        assert b"\n" not in dump(value)


@pytest.mark.parametrize("long", ["a" * 2**21, "é\ud800" * 2**20, '"' * 2**21])
def test_a_document_made_in_steps_is_the_same(long: str) -> None:
    """Wherever the long texts are, and with others served after each of them."""
    shown = [{"type": "display", "data": {kind: long, "application/json": {"a": long}}} for kind in ("text", "svg")]
    answer = {"output": long, "results": shown, "chart": {"svg": long}}
    steps, taken = documenting(answer), 0
    while True:
        try:
            next(steps)
            taken += 1
        except StopIteration as end:
            assert end.value == document(answer)
            break
    assert taken == 4  # the output, two texts of results, the chart


def test_what_is_nested_too_deep_is_cut() -> None:
    """And a value that holds itself ends there too."""
    value: list[object] = []
    value.append(value)
    text = dump({"v": value})
    assert text.count(b"[") <= ANSWER_DEPTH
    strict(text)


def test_a_failure_has_the_form_of_a_run() -> None:
    """A client that reads `success` and `error` of runs reads failures too."""
    error = {"type": "Busy", "message": "Later.", "code": "busy", "traceback": None}
    assert describe_failure("Busy", "Later.", "busy") == {"success": False, "error": error}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec=None)) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_anything_can_be_sent(value: object) -> None:
    """Encoding never fails, the strict reader accepts it, and cleaning twice changes nothing more."""
    data = dump(value)
    strict(data)
    once = clean(value)
    assert clean(once) == once
    assert orjson.loads(dump(once)) == orjson.loads(data)

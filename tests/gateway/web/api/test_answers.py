"""Answers: the guide's fields, and JSON that every strict reader accepts."""

from __future__ import annotations

import base64
import json
import math
from types import MappingProxyType

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.chart_data import MIME
from gateway.core.model import Display, Limit, Raised, Result
from gateway.web.api.answers import describe_chart, describe_run
from gateway.web.edge.json_answer import DEPTH, clean, document, documenting, dump

PNG = base64.b64encode(b"\x89PNG").decode()
FIELDS = {"success", "output", "error", "variables", "executionTime", "exitCode", "stdout", "stderr", "results", "charts"}
MORE = {"truncated", "limits", "usage", "kernelReplaced", "files", "filesTruncated"}


def strict(data: bytes) -> object:
    """*data* read by the strictest reader at hand."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(data.decode("utf-8"), parse_constant=refuse)


def test_a_run_has_the_fields_of_the_guide_and_more() -> None:
    """Every field is always there; nothing else is."""
    answer = describe_run("python", Result(True, "oe", "o", "e", None, 0, 0.1234, variables={"x": {"type": "int"}}))
    assert set(answer) == FIELDS | MORE
    assert answer["executionTime"] == 123
    assert (answer["output"], answer["stdout"], answer["stderr"]) == ("oe", "o", "e")
    assert answer["variables"] == {"x": {"type": "int"}}
    assert answer["limits"] == []
    assert answer["error"] is None


def test_an_error_has_type_message_and_traceback() -> None:
    """As in the guide; no traceback is null."""
    answer = describe_run("python", Result(False, "", "", "", Raised("E", "m", "Traceback"), 1, 0.0, limit=Limit.TIMEOUT))
    assert answer["error"] == {"type": "E", "message": "m", "traceback": "Traceback"}
    assert answer["limits"] == ["timeout"]
    answer = describe_run("python", Result(False, "", "", "", Raised("E", "m", ""), 1, 0.0))
    assert answer["error"] == {"type": "E", "message": "m", "traceback": None}


def test_the_first_chart_comes_apart() -> None:
    """`chart` is the first of `charts`; what is no picture is in `results` alone."""
    shown = (
        Display("display", {"text/plain": "x"}),
        Display("display", {"image/png": PNG + "\n", "text/plain": "<Figure>"}),
        Display("display", {"image/svg+xml": "<svg>é</svg>"}),
    )
    answer = describe_run("chart", Result(True, "", "", "", None, 0, 0.0, displays=shown))
    assert answer["chart"] == {"base64": PNG, "mimeType": "image/png", "chartData": None}
    svg = base64.b64encode("<svg>é</svg>".encode()).decode()
    drawn = {"base64": svg, "mimeType": "image/svg+xml", "svg": "<svg>é</svg>", "chartData": None}
    assert answer["charts"] == [answer["chart"], drawn]
    results = answer["results"]
    assert isinstance(results, list)
    assert len(results) == 3


def test_what_a_figure_shows_stands_beside_its_picture_once() -> None:
    """Not among the other forms it has; one over the limit says so."""
    pie = {"type": "pie", "title": None, "elements": [{"label": "a", "angle": 360.0, "radius": 1.0}]}
    shown = [Display("display", {"image/png": PNG, MIME: told}) for told in (pie, {"leftOut": True}, {"type": "no"})]
    answer = describe_run("python", Result(True, "", "", "", None, 0, 0.0, displays=tuple(shown)))
    picture = {"base64": PNG, "mimeType": "image/png"}
    assert answer["charts"] == [
        {**picture, "chartData": pie},
        {**picture, "chartData": None, "chartDataTruncated": True},
        {**picture, "chartData": None},
    ]
    assert answer["results"] == [{"type": "display", "data": {"image/png": PNG}}] * 3


def test_a_failed_chart_is_null() -> None:
    """Unless one was drawn before the failure."""
    answer = describe_run("chart", Result(False, "", "", "", Raised("E", "m", ""), 1, 0.0))
    assert answer["chart"] is None


def test_a_picture_that_is_no_text_is_no_chart() -> None:
    """Forged MIME data can't break the answer."""
    shown = (Display("display", {"image/png": 5, "image/svg+xml": None}),)
    assert describe_run("python", Result(True, "", "", "", None, 0, 0.0, displays=shown))["charts"] == []


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
    shown = [Display("display", {kind: long, "application/json": {"a": long}}) for kind in ("text/plain", "image/svg+xml")]
    answer = describe_run("chart", Result(True, long, long, "", None, 0, 0.0, tuple(shown)))
    steps, taken = documenting(answer), 0
    while True:
        try:
            next(steps)
            taken += 1
        except StopIteration as end:
            assert end.value == document(answer)
            break
    assert taken >= 6


@pytest.mark.parametrize("spaces", ["\n", " \t\r\n\v\f", "\u2028"])
def test_base64_has_no_white_space(spaces: str) -> None:
    """Data URIs want none, whatever a kernel wraps its lines with."""
    assert describe_chart(Display("display", {"image/png": f"{spaces}aGkh{spaces}aGkh{spaces}"}))["base64"] == "aGkhaGkh"


def test_what_is_nested_too_deep_is_cut() -> None:
    """And a value that holds itself ends there too."""
    value: list[object] = []
    value.append(value)
    text = dump({"v": value})
    assert text.count(b"[") <= DEPTH
    strict(text)


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

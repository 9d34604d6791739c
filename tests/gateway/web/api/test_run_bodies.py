"""Request bodies: what is accepted, and that every refusal names field, value and what is allowed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadRequest
from gateway.core.limits import Timeouts
from gateway.core.request import RunRequest
from gateway.web.api import run_bodies
from gateway.web.api.session_bodies import parse_execute, parse_new_session

LIMITS = Timeouts(30.0, 300.0)


def refusal(parse: object, body: object) -> str:
    """The sentence with which *body* is refused."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    with pytest.raises(BadRequest) as caught:
        parse(data, LIMITS)  # type: ignore[operator]  # the parsers share this form
    return caught.value.message


@pytest.mark.parametrize(("timeout", "seconds"), [(None, 30.0), (1, 0.001), (1500.5, 1.5005), (300_000, 300.0)])
def test_a_timeout_is_milliseconds(timeout: float | None, seconds: float) -> None:
    """Null is the same as left out."""
    assert run_bodies.parse_python(orjson.dumps({"code": "1", "timeout": timeout}), LIMITS).timeout_s == seconds
    assert run_bodies.parse_python(b'{"code":"1"}', LIMITS).timeout_s == 30.0


@pytest.mark.parametrize(
    ("timeout", "shown"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (-1, "-1"),
        (300_001, "300001"),
        (1e308, "1e+308"),
        (10**18, "1e+18"),
        ("1000", "'1000'"),
        ("inf", "'inf'"),
        (True, "true"),
        ([1], "an array"),
        ({}, "an empty object"),
    ],
)
def test_a_timeout_out_of_range_is_refused(timeout: object, shown: str) -> None:
    """The sentence has the value as it was sent."""
    sentence = refusal(run_bodies.parse_python, {"code": "1", "timeout": timeout})
    assert sentence.startswith("timeout must be a number of milliseconds from 1 to ")
    assert sentence.endswith(f"not {shown}.")


@pytest.mark.parametrize(
    ("task", "body"),
    [
        (run_bodies.parse_python, {"code": "1"}),
        (run_bodies.parse_javascript, {"code": "1"}),
        (run_bodies.parse_chart, {"code": "1"}),
        (run_bodies.parse_analyze, {"data": []}),
        (run_bodies.parse_math, {"expression": "1"}),
        (lambda body, limits: parse_execute(body, "s", "python", limits), {"code": "1"}),
    ],
    ids=["python", "javascript", "chart", "analyze", "math", "session"],
)
def test_what_an_answer_includes_is_asked_for_at_each_endpoint(
    task: Callable[[bytes, Timeouts], RunRequest], body: dict[str, object]
) -> None:
    """Nothing without the field; a name twice is the same as once."""
    assert task(orjson.dumps(body), LIMITS).include == frozenset()
    asked = orjson.dumps({**body, "include": ["svg", "streams", "svg"]})
    assert task(asked, LIMITS).include == {"svg", "streams"}


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"01", b"+1", b".5", b"0x10"])
def test_what_json_has_no_number_for_is_refused(number: bytes) -> None:
    """Strict JSON goes both ways."""
    assert "not valid JSON" in refusal(run_bodies.parse_python, b'{"code": "1", "timeout": ' + number + b"}")


SENTENCES = [
    (run_bodies.parse_python, {}, "code is missing; it must be source code that is not empty."),
    (run_bodies.parse_python, {"code": 5}, "code must be source code that is not empty, not 5."),
    (run_bodies.parse_python, {"code": None}, "code must be source code that is not empty, not null."),
    (run_bodies.parse_python, {"code": ""}, "code must be source code that is not empty, not ''."),
    (run_bodies.parse_python, {"code": " \n"}, "code is empty."),
    (run_bodies.parse_python, {"code": "a\0b"}, "code has a NUL character at position 1."),
    (
        run_bodies.parse_python,
        {"code": "1", "timeuot": 5},
        "Unknown field 'timeuot'; allowed are: code, timeout, files, fetchFiles, stdin, env, session, text, include, tools.",
    ),
    (
        run_bodies.parse_python,
        {"code": "1", "include": ["streams", "stdin"]},
        "include must be a list with 'streams', 'svg', both or neither, not 'stdin' at include[1].",
    ),
    (
        run_bodies.parse_math,
        {"expression": "1", "include": "svg"},
        "include must be a list with 'streams', 'svg', both or neither, not 'svg'.",
    ),
    (run_bodies.parse_chart, {"code": "1", "format": "pdf"}, "format must be 'png' or 'svg', not 'pdf'."),
    (run_bodies.parse_python, {"code": "1", "text": "tty"}, "text must be 'raw' or 'terminal', not 'tty'."),
    (run_bodies.parse_chart, {"code": "1", "dpi": 301}, "dpi must be a whole number from 30 to 300, not 301."),
    (run_bodies.parse_chart, {"code": "1", "dpi": 72.5}, "dpi must be a whole number from 30 to 300, not 72.5."),
    (
        run_bodies.parse_math,
        {"expression": ["1"]},
        "expression must be one expression of 1 to 10000 characters, not an array.",
    ),
    (
        run_bodies.parse_analyze,
        {"data": [], "analysisType": "mean"},
        "analysisType must be 'summary', 'correlation' or 'stats', not 'mean'.",
    ),
    (
        run_bodies.parse_analyze,
        {"data": 5},
        "data must be an array of objects (records), an object of arrays (columns), or a string (CSV), not 5.",
    ),
    (
        run_bodies.parse_analyze,
        {"data": {"a": [1, 2], "b": [1]}},
        "data has columns of different lengths: 'b' has 1 values, 'a' has 2.",
    ),
]


@pytest.mark.parametrize(("parse", "body", "sentence"), SENTENCES)
def test_a_refusal_is_one_sentence_for_people(parse: object, body: object, sentence: str) -> None:
    """Field, what is allowed, and what was sent; nothing of the library that checked it."""
    assert refusal(parse, body) == sentence


def test_a_record_that_is_no_object_is_named_by_its_place() -> None:
    """In a thousand records the caller needs to know which."""
    sentence = refusal(run_bodies.parse_analyze, {"data": [{"a": 1}, 7, {"a": 2}]})
    assert sentence.startswith("data must be an array of objects")
    assert "data[1]" in sentence


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("parse", "body", "part"),
    [
        (run_bodies.parse_analyze, b'{"data":[%s]}' % b",".join([b"[]"] * 300_000), "not an empty list at data[0]"),
        (run_bodies.parse_analyze, b'{"data":{%s}}' % b",".join(b'"%d":1' % at for at in range(300_000)), "not an object"),
        (run_bodies.parse_python, b'{"code":"1","include":[%s]}' % b",".join([b"1"] * 300_000), "not 1 at include[0]"),
        (run_bodies.parse_python, b'{"code":"1",%s}' % b",".join(b'"%d":1' % at for at in range(300_000)), "field '0'"),
        (
            lambda body, limits: parse_new_session(body, limits, limits, limits),
            b'{"env":{%s}}' % b",".join(b'"%d":1' % at for at in range(300_000)),
            "strings",
        ),
    ],
    ids=["records", "columns", "include", "fields", "env"],
)
def test_the_first_of_many_flaws_is_told_and_no_other_looked_for(
    parse: Callable[[bytes, Timeouts], object], body: bytes, part: str
) -> None:
    """A list of all of them would take a hundred times the memory of the body, and nobody else is served meanwhile."""
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest) as refused:
            parse(body, LIMITS)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert part in refused.value.message
    assert peak_bytes < 50 * len(body)


def test_a_long_value_is_shown_short() -> None:
    """An error must not send a megabyte back."""
    assert len(refusal(run_bodies.parse_chart, {"code": "1", "format": "x" * 1_000_000})) < 120
    assert len(refusal(run_bodies.parse_python, {"code": "1", "y" * 1_000_000: 1})) < 150


@pytest.mark.parametrize(
    ("data", "shape"),
    [([{"a": 1}], "records"), ([], "records"), ({"a": [1, None, "x"]}, "columns"), ({}, "columns"), ("a,b\n1,2\n", "csv")],
)
def test_data_comes_in_three_shapes(data: object, shape: str) -> None:
    """It is handed on as it came."""
    request = run_bodies.parse_analyze(orjson.dumps({"data": data}), LIMITS)
    assert request.inputs == {"analysisType": "summary", "format": shape, "data": data}
    assert request.code == ""


def test_code_is_not_touched() -> None:
    """Blanks, tabs, line ends and every character of Unicode arrive as sent."""
    code = "\n\tx = '\u2028🦉 \r\n'\n\n"
    assert run_bodies.parse_python(orjson.dumps({"code": code}), LIMITS).code == code


def test_the_last_of_two_equal_names_counts() -> None:
    """As in most JSON readers."""
    assert run_bodies.parse_python(b'{"code": "1", "code": "2"}', LIMITS).code == "2"


@pytest.mark.parametrize("text", ["0", "501", "-1", "+1", "1.0", "1e1", "", " 1", "1_0", "١", "9" * 5000])
def test_a_history_limit_is_a_whole_number_in_range(text: str) -> None:
    """What int() also reads is not accepted."""
    with pytest.raises(BadRequest, match="limit must be a whole number from 1 to 500"):
        run_bodies.parse_limit([text], 10, 500)


def test_a_history_limit_has_a_default() -> None:
    """Ten, as in the guide."""
    assert [run_bodies.parse_limit(values, 10, 500) for values in ([], ["1"], ["500"], ["007"])] == [10, 1, 500, 7]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(["code", "timeout", "format", "dpi", "data", "analysisType", "expression", "package", "x"])


@given(st.dictionaries(FIELDS, JSON, max_size=4) | JSON)
def test_any_json_is_accepted_or_refused_in_words(value: object) -> None:
    """No other exception, whatever is sent."""
    data = orjson.dumps(value)
    parsers = (
        run_bodies.parse_python,
        run_bodies.parse_chart,
        run_bodies.parse_analyze,
        run_bodies.parse_math,
        run_bodies.parse_javascript,
    )
    for parse in parsers:
        try:
            parse(data, LIMITS)
        except BadRequest as error:
            assert "pydantic" not in error.message
            assert error.message.endswith(".")
            assert len(error.message) < 400

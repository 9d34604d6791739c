"""Bodies as JSON objects: exact limits, and a sentence that says what is wrong with the rest."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadRequest, TooLarge
from gateway.core.json_limits import REQUEST_DEPTH, REQUEST_VALUES
from gateway.web.edge.body import name_of, parse_object


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b"[]", "must be a JSON object, not an array"),
        (b"null", "not null"),
        (b'"x"', "not a string"),
        (b"{", "not valid JSON"),
        (b'{"code": "1"} x', "not valid JSON"),
        (b'{"code": "\xff"}', "not UTF-8: bad byte at position 10"),
        (b'{"code": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"code": "\\ud800"}', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        ('{"code": "1"}'.encode("utf-16"), "not UTF-8"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"code":' * 500 + b"1" + b"}" * 500, "nested more than"),
        (b'{"code":' + b"[" * REQUEST_DEPTH + b"]" * REQUEST_DEPTH + b"}", "nested more than"),
    ],
)
def test_what_is_not_a_json_object_is_refused(body: bytes, part: str) -> None:
    """With the reason."""
    with pytest.raises(BadRequest, match=part):
        parse_object(body)


def test_nesting_up_to_the_limit_is_accepted() -> None:
    """The limit is exact."""
    parse_object(b'{"code":' + b"[" * (REQUEST_DEPTH - 1) + b"]" * (REQUEST_DEPTH - 1) + b"}")


@pytest.mark.thorough
@pytest.mark.parametrize("item", [b"1", b"[]", b'""', b"{}", b"[[1]]"])
def test_a_body_of_too_many_values_is_refused_unread(item: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any kind: it would take many times its length, and long."""
    many = b",".join([item] * REQUEST_VALUES)
    monkeypatch.setattr("orjson.loads", None)
    with pytest.raises(TooLarge, match=f"more than {REQUEST_VALUES} values"):
        parse_object(b'{"code": [' + many + b"]}")


def test_a_text_of_any_signs_is_one_value() -> None:
    """Also one with as many commas and brackets."""
    text = ',[{"\\' * REQUEST_VALUES
    assert parse_object(orjson.dumps({"code": text})) == {"code": text}


def test_a_caller_may_allow_more_levels() -> None:
    """Notebooks are nested deeper than requests."""
    body = b'{"code":' + b"[" * REQUEST_DEPTH + b"]" * REQUEST_DEPTH + b"}"
    assert parse_object(body, REQUEST_DEPTH + 1)
    with pytest.raises(BadRequest, match=f"more than {REQUEST_DEPTH} levels"):
        parse_object(body, REQUEST_DEPTH)


def test_a_whole_number_beyond_64_bits_becomes_a_float() -> None:
    """As in most JSON readers; the largest of 64 bits stays exact."""
    assert parse_object(b'{"a": 18446744073709551615, "b": 18446744073709551616}') == {"a": 2**64 - 1, "b": float(2**64)}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "a boolean"),
        (0, "a number"),
        (0.5, "a number"),
        ("", "a string"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_a_kind_of_json_has_a_name(value: object, name: str) -> None:
    """The words of the refusals."""
    assert name_of(value) == name


@given(st.binary(max_size=200))
def test_any_bytes_are_accepted_or_refused_in_words(data: bytes) -> None:
    """No other exception, whatever is sent."""
    try:
        parse_object(data)
    except BadRequest as error:
        assert error.message

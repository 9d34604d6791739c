"""What part of a table is asked for: every form that is read, every error that is told, and the published patterns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core import table_query
from gateway.core.errors import BadRequest
from gateway.core.table_query import (
    Condition,
    SortKey,
    Span,
    TableQuery,
    as_inputs,
    parse_columns,
    parse_rows,
    parse_sort,
    parse_where,
)


@pytest.mark.parametrize(
    ("text", "span"),
    [("0:100", Span(0, 100)), ("7:", Span(7, None)), (":20", Span(0, 20)), (":", Span(0, None)), ("5:3", Span(5, 3))],
)
def test_a_range_has_two_ends_that_may_be_left_out(text: str, span: Span) -> None:
    """As in Python, but for negative numbers."""
    assert parse_rows(text) == span
    assert parse_columns(text) == span


@pytest.mark.parametrize("text", ["", "5", "-1:5", "1:2:3", "a:b", " 1:2", "1:2\n", "١:٢", "1:" + "9" * 16])
def test_what_is_no_range_is_told(text: str) -> None:
    """With what it has to be."""
    with pytest.raises(BadRequest, match=r"^rows must be a range such as 0:100, 100: or :20, not "):
        parse_rows(text)


def test_columns_have_names() -> None:
    """Bare words, or any text in quotes."""
    assert parse_columns("price") == ("price",)
    assert parse_columns('a_b.c-d,"unit, price" , Größe,"0:5","q\\"\\u00e9\\n"') == (
        *("a_b.c-d", "unit, price", "Größe", "0:5", 'q"é\n'),
    )
    assert parse_columns('"\\ud83d\\ude00","\\ud800"') == ("😀", "\ufffd"), "halves of characters are mended as everywhere"


def test_an_order_may_be_turned_around() -> None:
    """For each column by itself."""
    assert parse_sort('-price,name, -"-x"') == (SortKey("price", True), SortKey("name", False), SortKey("-x", True))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("price>=10", Condition("price", ">=", 10)),
        ("price   <   -0.5", Condition("price", "<", -0.5)),
        ("price <= 1e3", Condition("price", "<=", 1000.0)),
        ("id == 18446744073709551615", Condition("id", "==", 2**64 - 1)),
        ('"unit, price" != "a \\"b\\""', Condition("unit, price", "!=", 'a "b"')),
        ("ok == true", Condition("ok", "==", True)),
        ("ok > false", Condition("ok", ">", False)),
        ('name contains "ab"', Condition("name", "contains", "ab")),
        ("note is null", Condition("note", "is null")),
        ("note is  not  null", Condition("note", "is not null")),
        ('x in [1,"a" , true,-2.5]', Condition("x", "in", (1, "a", True, -2.5))),
        ("in in[ 1 ]", Condition("in", "in", (1,))),
        ("is is null", Condition("is", "is null")),
        ('and contains "and"', Condition("and", "contains", "and")),
    ],
)
def test_a_condition_is_a_column_an_operator_and_a_value(text: str, condition: Condition) -> None:
    """Names are told from words by where they stand, so that none of them is forbidden."""
    assert parse_where(text) == (condition,)
    assert parse_where(f"{text} and  {text}  and b>1 ") == (condition, condition, Condition("b", ">", 1))


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_where, "", "where: the name of a column, in double quotes if it is no plain word, should come at charac"),
        (parse_where, "price", "where: one of ==, !=, <, <=, >, >=, contains, in, 'is null' and 'is not null', after "),
        (parse_where, "price > ", "where: a number, text in double quotes, true or false should come at character 9, n"),
        (parse_where, "p > abc", "where: a number, text in double quotes, true or false should come at character 5, not 'a"),
        (parse_where, "price = 1", "where: one of ==,"),
        (parse_where, "a > 1 or b > 1", "where: 'and' or the end should come at character 7, not 'or b > 1'."),
        (parse_where, "a > 1and b > 1", "where: 'and' or the end should come at character 6, not 'and b > 1'."),
        (parse_where, "a > 007", "where: 'and' or the end should come at character 6, not '07'."),
        (parse_where, "a > 1 and", "where: 'and' or the end should come at character 7, not 'and'."),
        (parse_where, "a contains 5", "where: text in double quotes should come at character 12, not '5'."),
        (parse_where, "a is nil", "where: 'null' should come at character 6, not 'nil'."),
        (parse_where, "a in []", "where: a number, text in double quotes, true or false should come at character 7, not"),
        (parse_where, "a in [1 2]", "where: a comma or ']' should come at character 8, not ' 2]'."),
        (parse_where, "a in (1)", "where: one of ==,"),
        (parse_where, "(a > 1)", "where: the name of a column"),
        (parse_where, "a > 1; import os", "where: 'and' or the end should come at character 6, not '; import os'."),
        (parse_where, "@x > __import__('os')", "where: a number, text in double quotes"),
        (parse_where, "a > NaN", "where: a number, text"),
        (parse_where, "a > 'x'", "where: a number, text"),
        (parse_where, "x" * 2001, "where has 2001 characters: at most 2000 are read."),
        (parse_sort, "", "sort: the name of a column"),
        (parse_sort, "a,", "sort: the name of a column, in double quotes if it is no plain word, should come at charac"),
        (parse_sort, "a b", "sort: a comma or the end should come at character 2, not ' b'."),
        (parse_sort, "--a", "sort: the name of a column"),
        (parse_columns, "", "columns: the name of a column"),
        (parse_columns, "a:b", "columns: a comma or the end should come at character 2, not ':b'."),
        (parse_columns, '"a', "columns: the name of a column"),
        (parse_columns, '"\\x"', "columns: the name of a column"),
    ],
)  # fmt: skip
def test_an_error_says_which_part_is_wrong_and_where(parse: Callable[[str], object], text: str, message: str) -> None:
    """And what should stand there."""
    with pytest.raises(BadRequest) as told:
        parse(text)
    assert told.value.message.startswith(message)


def test_a_query_travels_as_data() -> None:
    """Names and values are texts and numbers of JSON; a number that readers would round is its digits."""
    where = (Condition("a", "in", (2**63, "x", 1.5, True)), Condition("b", "is null"), Condition("c", ">", -(2**60)))
    query = TableQuery("df", Span(0, None), ("a", "b"), (SortKey("a", True),), where)
    assert as_inputs(query) == {
        "name": "df",
        "rows": [0, None],
        "columns": {"names": ["a", "b"]},
        "sort": [{"column": "a", "descending": True}],
        "where": [
            {"column": "a", "operator": "in", "value": [{"digits": "9223372036854775808"}, "x", 1.5, True]},
            {"column": "b", "operator": "is null", "value": None},
            {"column": "c", "operator": ">", "value": {"digits": "-1152921504606846976"}},
        ],
    }
    assert as_inputs(TableQuery("x", Span(1, 2), Span(0, 50)))["columns"] == [0, 50]


FORMS: list[tuple[Callable[[str], object], str]] = [
    (parse_rows, table_query.ROWS_PATTERN),
    (parse_columns, table_query.COLUMNS_PATTERN),
    (parse_sort, table_query.SORT_PATTERN),
    (parse_where, table_query.WHERE_PATTERN),
]
PIECES = st.sampled_from(
    [*"a-,\"\\:[] =<>!1.e'(", "==", "and", " and ", "is", " is null", "not ", "null", "in [", "contains ", '"x"', "1:2"]
)
TEXTS = st.one_of(st.text(max_size=20), st.lists(PIECES, max_size=12).map("".join))


def is_read(parse: Callable[[str], object], text: str) -> bool:
    """Whether *text* is read; anything but BadRequest is a fault."""
    try:
        parse(text)
    except BadRequest:
        return False
    return True


@pytest.mark.parametrize(("parse", "pattern"), FORMS)
@given(text=TEXTS)
def test_any_text_is_read_or_refused_as_the_pattern_says(parse: Callable[[str], object], pattern: str, text: str) -> None:
    """What is published of the grammar is what is read, and nothing else."""
    assert is_read(parse, text) is (re.fullmatch(pattern, text.replace("\n", "\0")) is not None)


@pytest.mark.parametrize(("parse", "pattern"), FORMS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])  # classes of characters take their time
@given(data=st.data())
def test_what_the_pattern_allows_is_read(parse: Callable[[str], object], pattern: str, data: st.DataObject) -> None:
    """However odd; and nothing of it is anything but JSON afterwards."""
    text = data.draw(st.from_regex(re.compile(pattern), fullmatch=True).filter(lambda text: "\n" not in text[-1:]))
    if len(text) <= table_query.MAX_CHARS:
        assert is_read(parse, text)
        if parse is parse_where:
            json.dumps(as_inputs(TableQuery("x", Span(0, 1), Span(0, 1), (), parse_where(text))), allow_nan=False).encode()

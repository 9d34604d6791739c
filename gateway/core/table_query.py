"""What part of a table is asked for: rows, columns, order and conditions, read from text into data. Pure.

::

    rows     0:100      100:      :20
    columns  0:50       price,"unit, price"
    sort     -price,name
    where    price >= 10 and city in ["Rome", "Oslo"] and note is not null

A name is a bare word, or text in double quotes as in JSON, which may be any. A value is a number, such text, true or false.
There is no ``or``, no bracket and no arithmetic. All is sent to the kernel as data; nobody makes code of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal, cast

from gateway.core.errors import BadRequest
from gateway.core.model import Json
from gateway.core.strict_json import clean_int, clean_text

MAX_CHARS = 2000
"""Of each part; so it also bounds the number of names and conditions."""
SHOWN_CHARS = 40
DEFAULT_ROWS, DEFAULT_COLUMNS = "0:100", "0:50"

# What ends a bare word: blanks, controls, quotes and whatever means something.
_NOT_BARE = (
    r"\u0000-\u0022\u0027-\u0029\u002c\u003a\u003c-\u003e\u005b\u005d\u007f-\u00a0"
    r"\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_BARE = rf"[^{_NOT_BARE}\u002d][^{_NOT_BARE}]*"
_QUOTED = r'"([^"\\\u0000-\u001f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"'
_NAME = rf"({_BARE}|{_QUOTED})"
_NUMBER = r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?([eE]-?[0-9]{1,2})?"
_VALUE = rf"({_QUOTED}|{_NUMBER}|true|false)"
_RANGE = r"[0-9]{0,15}:[0-9]{0,15}"
_COMPARED = rf" *(==|!=|<=|>=|<|>) *{_VALUE}"
_LISTED = rf" +in *\[ *{_VALUE}( *, *{_VALUE})* *\]"
_CONDITION = rf"{_NAME}({_COMPARED}| +contains +{_QUOTED}| +is +(not +)?null|{_LISTED})"

ROWS_PATTERN = rf"^{_RANGE}$"
COLUMNS_PATTERN = rf"^({_RANGE}|{_NAME}( *, *{_NAME})*)$"
SORT_PATTERN = rf"^-?{_NAME}( *, *-?{_NAME})*$"
WHERE_PATTERN = rf"^ *{_CONDITION}( +and +{_CONDITION})* *$"
"""What is read here, as regular expressions for the API description: a test compares the two."""

Operator = Literal["==", "!=", "<=", ">=", "<", ">", "contains", "in", "is null", "is not null"]
Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Span:
    """From *start* to before *stop*, or to the end."""

    start: int
    stop: int | None


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column to sort by."""

    column: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """What the values of a column have to be. *value* is a tuple for ``in`` and None for ``is null`` and its contrary."""

    column: str
    operator: Operator
    value: Value | tuple[Value, ...] | None = None


@dataclass(frozen=True, slots=True)
class TableQuery:
    """A part of the table called *name*: columns by number or by name, rows by number once they are chosen and sorted."""

    name: str
    rows: Span
    columns: Span | tuple[str, ...]
    sort: tuple[SortKey, ...] = ()
    where: tuple[Condition, ...] = ()


def as_inputs(query: TableQuery) -> dict[str, Json]:
    """*query* as the kernel gets it."""
    columns = query.columns
    return {
        "name": query.name,
        "rows": [query.rows.start, query.rows.stop],
        "columns": [columns.start, columns.stop] if isinstance(columns, Span) else {"names": list(columns)},
        "sort": [{"column": key.column, "descending": key.descending} for key in query.sort],
        "where": [{"column": each.column, "operator": each.operator, "value": _sent(each.value)} for each in query.where],
    }


def _sent(value: Value | tuple[Value, ...] | None) -> Json:
    """A value as JSON; whole numbers that JSON readers would round as ``{"digits": ...}``."""
    if isinstance(value, tuple):
        return [_sent(part) for part in value]
    if isinstance(value, int) and not isinstance(value, bool):
        safe = clean_int(value)
        return {"digits": safe} if isinstance(safe, str) else safe
    return value


def parse_rows(text: str) -> Span:
    """The range *text*; raises BadRequest, as all here do, naming the part that is wrong."""
    found = _RANGE_FORM.fullmatch(text)
    if not found:
        raise BadRequest(f"rows must be a range such as 0:100, 100: or :20, not {_show(text)}.")
    return _span(text)


def parse_columns(text: str) -> Span | tuple[str, ...]:
    """A range of columns, or their names."""
    if _RANGE_FORM.fullmatch(text):
        return _span(text)
    reader = _Reader("columns", text)
    names = [reader.name()]
    while not reader.is_at_end():
        reader.comma()
        names.append(reader.name())
    return tuple(names)


def parse_sort(text: str) -> tuple[SortKey, ...]:
    """The columns to sort by, the first one first; a minus before a name turns its order around."""
    reader = _Reader("sort", text)
    keys = [_sort_key(reader)]
    while not reader.is_at_end():
        reader.comma()
        keys.append(_sort_key(reader))
    return tuple(keys)


def parse_where(text: str) -> tuple[Condition, ...]:
    """The conditions that all have to be met."""
    reader = _Reader("where", text)
    reader.blanks()
    conditions = [_condition(reader)]
    while True:
        gap = reader.blanks()
        if reader.is_at_end():
            return tuple(conditions)
        if not gap or not reader.word("and"):
            raise reader.expected("'and' or the end")
        conditions.append(_condition(reader))


def _sort_key(reader: _Reader) -> SortKey:
    descending = reader.take(_MINUS) is not None
    return SortKey(reader.name(), descending)


def _condition(reader: _Reader) -> Condition:
    column = reader.name()
    gap = reader.blanks()
    operator = reader.take(_OPERATOR)
    if operator is not None:
        reader.blanks()
        return Condition(column, cast(Operator, operator), reader.value())
    if gap and reader.word("contains"):
        return Condition(column, "contains", reader.text())
    if gap and reader.word("is"):
        is_not = reader.word("not")
        if reader.take(_NULL) is None:
            raise reader.expected("'null'")
        return Condition(column, "is not null" if is_not else "is null")
    if gap and reader.take(_IN) is not None:
        return Condition(column, "in", _listed(reader))
    raise reader.expected("one of ==, !=, <, <=, >, >=, contains, in, 'is null' and 'is not null', after a blank")


def _listed(reader: _Reader) -> tuple[Value, ...]:
    values = [reader.value()]
    while reader.take(_END_OF_LIST) is None:
        reader.comma("a comma or ']'")
        values.append(reader.value())
    return tuple(values)


def _span(text: str) -> Span:
    start, _, stop = text.partition(":")
    return Span(int(start or 0), int(stop) if stop else None)


_RANGE_FORM, _BARE_FORM, _QUOTED_FORM = (re.compile(form) for form in (_RANGE, _BARE, _QUOTED))
_NUMBER_FORM, _TRUTH = re.compile(_NUMBER), re.compile("true|false")
_OPERATOR, _NULL, _IN = re.compile("==|!=|<=|>=|<|>"), re.compile("null"), re.compile(r"in *\[ *")
_END_OF_LIST, _COMMA, _MINUS, _BLANKS = re.compile(r" *\]"), re.compile(" *, *"), re.compile("-"), re.compile(" *")


class _Reader:
    """Reads *text* from left to right; *part* is what errors call it."""

    def __init__(self, part: str, text: str) -> None:
        if len(text) > MAX_CHARS:
            raise BadRequest(f"{part} has {len(text)} characters: at most {MAX_CHARS} are read.")
        self._part = part
        self._text = text
        self._at = 0

    def is_at_end(self) -> bool:
        """Whether all is read."""
        return self._at == len(self._text)

    def take(self, form: re.Pattern[str]) -> str | None:
        """What comes next, if it is of this form."""
        found = form.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found.group()

    def blanks(self) -> bool:
        """Whether there was a blank."""
        return bool(self.take(_BLANKS))

    def word(self, word: str) -> bool:
        """Whether *word* comes next, and a blank behind it."""
        if not self._text.startswith(f"{word} ", self._at):
            return False
        self._at += len(word)
        return self.blanks()

    def comma(self, what: str = "a comma or the end") -> None:
        """A comma has to come next."""
        if self.take(_COMMA) is None:
            raise self.expected(what)

    def name(self) -> str:
        """A column has to come next."""
        bare = self.take(_BARE_FORM)
        return bare if bare is not None else self._quoted("the name of a column, in double quotes if it is no plain word,")

    def value(self) -> Value:
        """A value has to come next."""
        truth = self.take(_TRUTH)
        if truth is not None:
            return truth == "true"
        number = self.take(_NUMBER_FORM)
        if number is not None:
            return float(number) if set(number) & set(".eE") else int(number)
        return self._quoted("a number, text in double quotes, true or false")

    def text(self) -> str:
        """Text has to come next."""
        return self._quoted("text in double quotes")

    def _quoted(self, what: str) -> str:
        quoted = self.take(_QUOTED_FORM)
        if quoted is None:
            raise self.expected(what)
        return clean_text(str(json.loads(quoted)))

    def expected(self, what: str) -> BadRequest:
        """The error that says where *what* was expected."""
        rest = self._text[self._at :]
        return BadRequest(
            f"{self._part}: {what} should come at character {self._at + 1}, not {_show(rest) if rest else 'the end'}."
        )


def _show(text: str) -> str:
    return repr(text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}...")

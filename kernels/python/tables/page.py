"""A part of a table as JSON: the rows that are asked for, in the order that is asked for, and how many there are in all.

A table is gone through in pieces, so that a large one takes little more memory than it has: the kernel's is bounded, and a
kernel that is out of memory is ended with all it has.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels.python.tables import keys as sorting
from kernels.python.tables.forms import Form, Mask
from kernels.python.tables.keys import RowKey, Rows
from kernels.python.tables.refusal import TableRefused, Unfit
from kernels.python.tables.source import Column, DataTable, open_table

PIECE_ROWS = 1 << 18
MAX_CELLS, MAX_COLUMNS = 20_000, 1_000
PAGE_CHARS, CELL_CHARS = 1024 * 1024, 2_000
MAX_SORTED = 2_000_000
"""How far into a sorted table a page may be: all rows before it have to be kept in mind."""
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of the page, where it starts, and how many rows meet the conditions."""

    rows: Rows
    start: int
    matched: int
    is_cut: bool


def answer(namespace: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the gateway is told: a page, or why there is none."""
    try:
        value = namespace.get(inputs["name"], _MISSING)
        if value is _MISSING:
            raise TableRefused("not_found", "The session has no variable of this name.")
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # they are about this code, which is not the caller's
            return {"page": _page(open_table(value), inputs)}
    except TableRefused as refused:
        return {"refused": {"code": refused.code, "message": refused.message}}


def _page(table: DataTable, inputs: Mapping[str, Any]) -> dict[str, Any]:
    positions, cut = _positions(table, inputs["columns"])
    columns = [table.column(position) for position in positions]
    found = find(table, inputs, MAX_CELLS // max(1, len(columns) + len(table.index)))
    shown = [*table.index, *columns]
    chars = min(CELL_CHARS, PAGE_CHARS // max(1, len(shown)))
    rows, is_short = _fitting(zip(*(column.pick(found.rows).cells(chars) for column in shown), strict=True))
    cut |= {"rows"} if found.is_cut or is_short else set()
    cut |= {"cells"} if any(type(cell) is dict and "preview" in cell for row in rows for cell in row) else set()
    labels = len(table.index)
    return {
        "type": table.kind,
        "shape": list(table.shape),
        "matched": found.matched,
        "start": found.start,
        "columns": [{**_described(each), "position": at} for each, at in zip(columns, positions, strict=True)],
        "index": [_described(each) for each in table.index],
        "labels": [list(row[:labels]) for row in rows],
        "data": [list(row[labels:]) for row in rows],
        "cut": sorted(cut),
    }


def _described(column: Column) -> dict[str, str]:
    return {"name": column.name, "type": column.type}


def _fitting(rows: Iterator[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], bool]:
    """As many rows as have room, one at least; and whether these are not all."""
    taken: list[tuple[Any, ...]] = []
    left = PAGE_CHARS
    for row in rows:
        left -= sum(len(cell) if type(cell) is str else len(str(cell)) if type(cell) is dict else 8 for cell in row)
        if left < 0 and taken:
            return taken, True
        taken.append(row)
    return taken, False


# ---- columns -----------------------------------------------------------------------------------------------------------


def _positions(table: DataTable, asked: Any) -> tuple[list[int], set[str]]:
    """The columns that are shown, and ``columns`` when these are not all that are asked for."""
    if type(asked) is dict:
        positions = [_position(table, "columns", name) for name in asked["names"]]
    else:
        start, stop = asked
        positions = list(range(len(table.names))[start:stop])
    return positions[:MAX_COLUMNS], {"columns"} if len(positions) > MAX_COLUMNS else set()


def _position(table: DataTable, part: str, name: str) -> int:
    positions = [at for at, other in enumerate(table.names) if other == name]
    if len(positions) == 1:
        return positions[0]
    if positions:
        raise TableRefused("bad_request", f"{part}: there are {len(positions)} columns called {_quoted(name)}.")
    raise TableRefused("bad_request", f"{part}: there is no column {_quoted(name)}.")


def _named(table: DataTable, part: str, name: str) -> Column:
    """The column called *name*, or what names the rows where it is called so."""
    if name not in table.names:
        for level in table.index:
            if level.name == name:
                return level
    return table.column(_position(table, part, name))


def _quoted(name: str) -> str:
    return repr(name if len(name) <= 60 else f"{name[:60]}...")


# ---- rows --------------------------------------------------------------------------------------------------------------


def find(table: DataTable, inputs: Mapping[str, Any], most: int) -> Found:
    """The rows that are asked for, *most* at most."""
    start, stop = inputs["rows"]
    wanted = table.size if stop is None else min(stop, table.size)
    end = max(start, min(wanted, start + most))
    conditions = [_condition(table, asked) for asked in inputs["where"]]
    if not inputs["sort"] and not conditions:
        end = min(end, table.size)
        return Found(np.arange(min(start, end), end), start, table.size, wanted > end)
    makers = [_key_maker(table, asked) for asked in inputs["sort"]]
    if makers and end > MAX_SORTED:
        raise TableRefused("bad_request", f"rows: of a sorted table only the first {MAX_SORTED} can be had.")
    collect = _Sorted(makers, end) if makers else _Counted(start, end)
    matched = 0
    for rows in _pieces(table, conditions):
        matched += len(rows)
        collect.add(rows)
    return Found(collect.rows()[start:end] if makers else collect.rows(), start, matched, min(wanted, matched) > end)


Condition = Callable[[Any], Mask]
KeyMaker = Callable[[Any], list[RowKey]]


def _pieces(table: DataTable, conditions: list[Condition]) -> Iterator[Rows]:
    """The rows that meet all *conditions*, piece by piece."""
    for start in range(0, table.size, PIECE_ROWS):
        stop = min(start + PIECE_ROWS, table.size)
        rows = np.arange(start, stop)
        which: Any = slice(start, stop)
        for condition in conditions:
            rows = rows[condition(which)]
            which = rows
        yield rows


class _Counted:
    """Keeps those from one number to another, in the order of the table."""

    def __init__(self, start: int, end: int) -> None:
        self._start, self._end = start, end
        self._seen = 0
        self._kept: list[Rows] = [np.arange(0)]

    def add(self, rows: Rows) -> None:
        """Some more rows."""
        self._kept.append(rows[max(0, self._start - self._seen) : max(0, self._end - self._seen)])
        self._seen += len(rows)

    def rows(self) -> Rows:
        """Those that were kept."""
        return np.concatenate(self._kept)


class _Sorted:
    """Keeps the first ones of an order."""

    def __init__(self, makers: list[KeyMaker], end: int) -> None:
        self._makers = makers
        self._end = end
        self._kept: list[Rows] = [np.arange(0)]
        self._size = 0

    def add(self, rows: Rows) -> None:
        """Some more rows."""
        self._kept.append(rows)
        self._size += len(rows)
        if self._size > 2 * self._end + PIECE_ROWS:
            self._choose()

    def rows(self) -> Rows:
        """Those that were kept, sorted."""
        kept = self._choose()
        return kept[sorting.ordered(self._keys(kept))] if len(kept) else kept

    def _choose(self) -> Rows:
        rows = np.concatenate(self._kept)
        if len(rows):
            rows = rows[sorting.first(self._keys(rows), self._end)]
        self._kept, self._size = [rows], len(rows)
        return rows

    def _keys(self, rows: Rows) -> list[RowKey]:
        return [key for maker in self._makers for key in maker(rows)]


def _condition(table: DataTable, asked: Mapping[str, Any]) -> Condition:
    column = _named(table, "where", asked["column"])
    name, value = asked["operator"], asked["value"]
    values = [_value(part) for part in (value if type(value) is list else [value])]

    def meets(which: Any) -> Mask:
        form = column.pick(which)
        try:
            return _compare(form, name, values)
        except Unfit as unfit:
            raise TableRefused("bad_request", f"where: column {_quoted(column.name)} {unfit}.") from None

    return meets


def _compare(form: Form, name: str, values: list[Any]) -> Mask:
    match name:
        case "is null":
            return form.missing()
        case "is not null":
            return ~form.missing()
        case "in":
            return np.logical_or.reduce([form.compare("==", value) for value in values])
        case _:
            return form.compare(name, values[0])


def _value(asked: Any) -> Any:
    """A value of a condition; whole numbers that JSON could have changed come as their digits."""
    return int(asked["digits"]) if type(asked) is dict else asked


def _key_maker(table: DataTable, asked: Mapping[str, Any]) -> KeyMaker:
    column = _named(table, "sort", asked["column"])

    def make(rows: Any) -> list[RowKey]:
        try:
            return column.pick(rows).keys(descending=asked["descending"])
        except Unfit as unfit:
            raise TableRefused("bad_request", f"sort: column {_quoted(column.name)} {unfit}.") from None

    return make

"""A value of a session as a table: how many rows, which columns, and what each of them holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kernels.python.exact import Exactly
from kernels.python.tables import storage
from kernels.python.tables.cells import label
from kernels.python.tables.forms import Coded, Form, Moments, Numbers, OnlyShown
from kernels.python.tables.objects import Objects
from kernels.python.tables.refusal import TableRefused
from kernels.serving.texts import type_name

Which = Any
"""A slice, or the numbers of rows in an array."""
MAX_RECORDS, MAX_RECORD_COLUMNS = 100_000, 1_000
_MOMENTS = Exactly(pd.arrays.DatetimeArray, pd.arrays.TimedeltaArray, pd.arrays.PeriodArray)


@dataclass(frozen=True, slots=True)
class Column:
    """*pick* gives the values of some rows; *type* is what pandas or numpy calls theirs."""

    name: str
    type: str
    pick: Callable[[Which], Form]


@dataclass(frozen=True, slots=True)
class DataTable:
    """*names* are those of the columns as text; *index* are the columns that name the rows."""

    kind: str
    shape: tuple[int, ...]
    names: Sequence[str]
    column: Callable[[int], Column]
    index: Sequence[Column]

    @property
    def size(self) -> int:
        """How many rows."""
        return self.shape[0]


def open_table(value: Any) -> DataTable:
    """*value* as a table; raises TableRefused for anything that is none, or is of a type of the caller's."""
    kind = type(value)
    if kind is pd.DataFrame or kind is pd.Series:
        _check_axes(value)
        return _frame(value) if kind is pd.DataFrame else _series(value)
    if kind is np.ndarray:
        return _array(value)
    if kind is list:
        return _records(value)
    raise _no_table(f"is of the type {type_name(kind)}")


def _no_table(why: str) -> TableRefused:
    return TableRefused(
        "conflict", f"It {why}: tables are DataFrames, Series, arrays of one or two dimensions and lists of dicts."
    )


def _check_axes(value: Any) -> None:
    axes = (value.index, value.columns) if type(value) is pd.DataFrame else (value.index,)
    for axis in axes:
        is_known = storage.has_known_levels(axis) if type(axis) is pd.MultiIndex else type(axis) in storage.INDEXES
        if not is_known:
            raise TableRefused("conflict", "Its index or its columns are of a type that is not pandas' own.")


def _frame(frame: Any) -> DataTable:
    names = [label(name) for name in _labels(frame.columns)]

    def column(position: int) -> Column:
        return of_array(names[position], storage.column_of(frame, position), len(frame.index))

    return DataTable("DataFrame", (len(frame.index), len(names)), names, column, _index(frame.index))


def _labels(index: Any) -> Sequence[Any]:
    """The labels of an index of pandas' own; numbers where its values are the caller's."""
    if type(index) is pd.MultiIndex:
        return list(index)
    array = storage.array_of(index)
    return range(len(index)) if array is None else list(array)


def _series(series: Any) -> DataTable:
    name = "value" if series.name is None else label(series.name)
    size = len(series.index)
    column = of_array(name, storage.array_of(series), size)
    return DataTable("Series", (size,), [name], lambda _position: column, _index(series.index))


def _array(array: Any) -> DataTable:
    if array.ndim not in (1, 2):
        raise _no_table(f"is an array of {array.ndim} dimensions")
    shape, rows = storage.shape_of(array) or (), _counted("index", 0, 1)
    fields = array.dtype.names
    if array.ndim == 1 and fields:
        names = [label(name) for name in fields]
        return DataTable("ndarray", shape, names, lambda at: of_array(names[at], array[fields[at]], len(array)), [rows])
    if array.ndim == 1:
        return DataTable("ndarray", shape, ["value"], lambda _at: of_array("value", array, len(array)), [rows])
    names = [str(at) for at in range(array.shape[1])]
    return DataTable("ndarray", shape, names, lambda at: of_array(names[at], array[:, at], len(array)), [rows])


def _records(rows: list[Any]) -> DataTable:
    if len(rows) > MAX_RECORDS:
        raise TableRefused("conflict", f"It is a list of {len(rows)} entries: as a table at most {MAX_RECORDS} can be had.")
    if not rows or any(type(row) is not dict for row in rows):
        raise _no_table("is a list of something else than dicts" if rows else "is an empty list")
    columns: dict[str, list[Any]] = {}
    for at, row in enumerate(rows):
        for key, value in list(row.items()):
            name = key if type(key) is str else label(key)
            if name not in columns:
                columns[name] = [None] * len(rows)
            columns[name][at] = value
        if len(columns) > MAX_RECORD_COLUMNS:
            raise TableRefused("conflict", f"It has more than {MAX_RECORD_COLUMNS} different keys.")
    keys = list(columns)
    names = [label(key) for key in keys]

    def column(position: int) -> Column:
        values = np.empty(len(rows), dtype=object)
        for at, value in enumerate(columns[keys[position]]):
            values[at] = value
        return of_array(names[position], values, len(rows))

    return DataTable("list", (len(rows), len(names)), names, column, [_counted("index", 0, 1)])


def _index(index: Any) -> list[Column]:
    if type(index) is pd.RangeIndex:
        return [_counted("index" if index.name is None else label(index.name), index.start, index.step)]
    if type(index) is pd.MultiIndex:
        return [_level(index, at) for at in range(index.nlevels)]
    name = "index" if index.name is None else label(index.name)
    return [of_array(name, storage.array_of(index), len(index))]


def _level(index: Any, at: int) -> Column:
    name = f"level_{at}" if index.names[at] is None else label(index.names[at])
    array = index.levels[at].array
    pick = _coded(index.codes[at], array, is_ordered=False)
    return Column(name, storage.kind_name(array), pick)


def _counted(name: str, start: int, step: int) -> Column:
    """Numbers that are nowhere stored: those of a RangeIndex, or of the rows themselves."""

    def pick(which: Which) -> Form:
        rows = np.arange(which.start, which.stop) if type(which) is slice else which
        return Numbers(start + step * rows, np.zeros(len(rows), dtype=bool))

    return Column(name, "int64", pick)


def of_array(name: str, array: Any | None, size: int) -> Column:
    """The column with the values *array*, which is None where it is of a type of the caller's."""
    if array is None:
        return Column(name, storage.kind_name(None), lambda which: OnlyShown(None, _count(which, size)))
    if type(array) is pd.Categorical:
        return Column(name, "category", _coded(array.codes, array.categories.array, is_ordered=bool(array.ordered)))
    return Column(name, storage.kind_name(array), lambda which: form_of(array[which]))


def _count(which: Which, size: int) -> int:
    return len(range(size)[which]) if type(which) is slice else len(which)


def _coded(codes: Any, categories: Any, *, is_ordered: bool) -> Callable[[Which], Form]:
    codes = np.asarray(codes)
    all_categories = form_of(categories)  # once, however many pieces of the table are looked at

    def pick(which: Which) -> Form:
        return Coded(codes[which], all_categories, len(categories), is_ordered, lambda some: form_of(categories[some]))

    return pick


def form_of(array: Any) -> Form:
    """The Form of a known array."""
    kind = type(array)
    if kind is pd.arrays.NumpyExtensionArray:
        return _of_numpy(array.to_numpy())
    if kind is np.ndarray:
        return _of_numpy(array)
    if kind in storage.MASKED:
        values = array.to_numpy(dtype=array.dtype.numpy_dtype, na_value=array.dtype.numpy_dtype.type(0))
        return Numbers(values, np.asarray(array.isna(), dtype=bool))
    if kind in _MOMENTS:
        return Moments(array)
    if kind is pd.arrays.StringArray:
        return Objects(np.asarray(array, dtype=object).tolist(), is_text=True)
    if kind is pd.arrays.SparseArray:
        return _of_numpy(np.asarray(array))
    if kind in storage.ARROW:
        return Objects(np.asarray(array, dtype=object).tolist(), is_text=kind is pd.arrays.ArrowStringArray)
    return OnlyShown(array, len(array))


def _of_numpy(array: Any) -> Form:
    kind = array.dtype.kind
    if kind in "biuf":
        return Numbers(array, np.isnan(array) if kind == "f" else np.zeros(len(array), dtype=bool))
    if kind == "O":
        return Objects(array.tolist())
    if kind in "USTa":
        return Objects(array.astype(object).tolist(), is_text=kind in "UT")
    unit = np.datetime_data(array.dtype)[0] if kind in "mM" else ""
    if unit in ("D", "h", "m", "W", "M", "Y"):
        return Moments(pd.array(array.astype(f"{kind}8[s]")))
    return Moments(pd.array(array)) if unit in ("s", "ms", "us", "ns") else OnlyShown(array, len(array))

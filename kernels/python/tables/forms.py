"""The values of one column in the few forms in which they are shown, compared and sorted; none runs code of the caller."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from kernels.python.shown import values as json_values
from kernels.python.tables import keys as sorting
from kernels.python.tables.cells import Json, cell
from kernels.python.tables.keys import NumberKey, RowKey
from kernels.python.tables.refusal import Unfit

Mask = Any
"""An array of truth values."""
COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
DATE_WANTED = 'holds dates: compare it with one in double quotes, such as "2024-05-31" or "2024-05-31 12:00"'
LENGTH_WANTED = 'holds lengths of time: compare it with one in double quotes, such as "2 days" or "01:30:00"'
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_ONLY_NULL = "can only be asked for 'is null' and 'is not null'"


class Form(Protocol):
    """Some values of one column."""

    def cells(self, chars: int) -> list[Json]:
        """Each as JSON, of at most some *chars* characters."""

    def missing(self) -> Mask:
        """Which of them are missing."""

    def compare(self, name: str, value: Any) -> Mask:
        """Which of them are so; what is missing is not. Raises Unfit."""

    def keys(self, *, descending: bool) -> list[RowKey]:
        """What they are sorted by, missing ones last. Raises Unfit."""


def with_missing_last(missing: Mask, key: RowKey) -> list[RowKey]:
    """*key*, and before it, where that matters, whether there is a value at all."""
    return [NumberKey(missing), key] if missing.any() else [key]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers or truth values; what stands where *absent* says so counts for nothing."""

    values: Any
    absent: Mask

    def cells(self, chars: int) -> list[Json]:
        """Finite numbers; whole ones that JSON readers would round are text."""
        values = self.values.astype(np.float64) if self.values.dtype.kind == "f" else self.values
        plain = values.tolist()
        if values.dtype.kind == "f":
            plain = [json_values.number(value) for value in plain]
        elif values.dtype.itemsize > 4:
            plain = [json_values.integer(value) for value in plain]
        return [None if absent else value for value, absent in zip(plain, self.absent.tolist(), strict=True)]

    def missing(self) -> Mask:
        """NaN and NA."""
        return self.absent

    def compare(self, name: str, value: Any) -> Mask:
        """With a number, or with true and false."""
        is_truth = self.values.dtype.kind == "b"
        if type(value) is str or (type(value) is bool) is not is_truth or name not in COMPARISONS:
            holds, fits = ("truth values", "true or false") if is_truth else ("numbers", "a number")
            raise Unfit(f"holds {holds}: compare it with {fits}")
        if self.values.dtype.kind in "iu" and type(value) is float and value.is_integer():
            value = int(value)
        return np.asarray(COMPARISONS[name](self.values, value), dtype=bool) & ~self.absent

    def keys(self, *, descending: bool) -> list[RowKey]:
        """By size."""
        values = np.where(self.absent, 0, self.values) if self.values.dtype.kind == "f" else self.values
        turned = values if not descending else -values if values.dtype.kind == "f" else ~values
        return with_missing_last(self.absent, NumberKey(turned))


@dataclass(frozen=True, slots=True)
class Moments:
    """Dates with times, lengths of time, and periods."""

    array: Any

    def cells(self, chars: int) -> list[Json]:
        """ISO 8601 for dates, text for the others."""
        if type(self.array) is pd.arrays.PeriodArray:
            return [None if value is pd.NaT else str(value) for value in self.array]
        return [cell(value, chars) for value in self.array]

    def missing(self) -> Mask:
        """NaT."""
        return np.asarray(self.array.isna(), dtype=bool)

    def compare(self, name: str, value: Any) -> Mask:
        """With a date, or a length of time, as text."""
        if type(self.array) is pd.arrays.PeriodArray:
            raise Unfit(f"holds periods, and {_ONLY_NULL}")
        is_date = type(self.array) is pd.arrays.DatetimeArray
        if type(value) is not str or name not in COMPARISONS:
            raise Unfit(DATE_WANTED if is_date else LENGTH_WANTED)
        other = _moment(value, self.array.tz) if is_date else _length(value)
        return np.asarray(COMPARISONS[name](self.array, other), dtype=bool) & ~self.missing()

    def keys(self, *, descending: bool) -> list[RowKey]:
        """By time."""
        values = np.where(self.missing(), 0, self.array.asi8)
        return with_missing_last(self.missing(), NumberKey(~values if descending else values))


def _moment(text: str, zone: Any) -> pd.Timestamp:
    """The moment *text*, in the column's own time zone unless it names another."""
    try:
        if not _DATE.fullmatch(text):
            raise Unfit(DATE_WANTED)
        moment = pd.Timestamp(text)
        if moment.tz is None:
            return moment if zone is None else moment.tz_localize(zone)
    except (ValueError, OverflowError):  # no such day, or no such hour in this zone
        raise Unfit(DATE_WANTED) from None
    if zone is None:
        raise Unfit("holds dates without a time zone: compare it with one without")
    return moment


def _length(text: str) -> pd.Timedelta:
    try:
        return pd.Timedelta(text)
    except (ValueError, OverflowError):
        raise Unfit(LENGTH_WANTED) from None


@dataclass(frozen=True, slots=True)
class Coded:
    """Values by their number among a few: a categorical, or one level of an index."""

    codes: Any
    categories: Form
    size: int
    is_ordered: bool
    pick: Callable[[Any], Form]
    """The categories of some numbers."""

    def cells(self, chars: int) -> list[Json]:
        """As the categories are."""
        if not self.size:
            return [None] * len(self.codes)
        shown = self.pick(np.maximum(self.codes, 0)).cells(chars)
        return [None if code < 0 else value for code, value in zip(self.codes.tolist(), shown, strict=True)]

    def missing(self) -> Mask:
        """Those that have no number."""
        return self.codes < 0

    def compare(self, name: str, value: Any) -> Mask:
        """Each category once."""
        found = np.append(self.categories.compare(name, value), False)  # the last one is that of the number -1
        return np.asarray(found[self.codes], dtype=bool)

    def keys(self, *, descending: bool) -> list[RowKey]:
        """In the order of the categories where they have one, else by their values."""
        ranks = np.arange(self.size)
        if not self.is_ordered and self.size:
            ranks[sorting.ordered(self.categories.keys(descending=False))] = np.arange(self.size)
        found = np.append(ranks, 0)[self.codes]
        return with_missing_last(self.missing(), NumberKey(-found if descending else found))


@dataclass(frozen=True, slots=True)
class OnlyShown:
    """Values that are shown and nothing else: intervals, complex numbers, records, what is the caller's own."""

    array: Any
    size: int

    def cells(self, chars: int) -> list[Json]:
        """Previews for the most part; of an array of the caller's own not even that."""
        if self.array is None:
            return [{"preview": "<unknown>"}] * self.size
        if type(self.array) is pd.arrays.IntervalArray:
            return [None if type(value) is float else str(value) for value in self.array]
        return [cell(value.item() if type(value) is np.void else value, chars) for value in self.array]

    def missing(self) -> Mask:
        """Only the library knows it of its own."""
        if type(self.array) is pd.arrays.IntervalArray:
            return np.asarray(self.array.isna(), dtype=bool)
        if type(self.array) is np.ndarray and self.array.dtype.kind == "c":
            return np.isnan(self.array)
        return np.zeros(self.size, dtype=bool)

    def compare(self, name: str, value: Any) -> Mask:
        """Not at all."""
        raise Unfit(f"holds values that {_ONLY_NULL}")

    def keys(self, *, descending: bool) -> list[RowKey]:
        """Not at all."""
        raise Unfit("holds values that have no order here: sort by text, numbers, dates or categories")

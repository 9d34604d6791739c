"""Python values as strict JSON: finite numbers, text without lone surrogates, no cycles, bounded.

================================  ==============================================================
value                             JSON
================================  ==============================================================
NaN, infinities, NaT, pandas NA   null
int beyond 2**53                  text of its digits (JavaScript would round a number)
complex, Decimal, Fraction        text
date, time, Timestamp             ISO 8601 text; timedelta: text
bytes                             {"base64": "..."}
tuple, set, range, array, Index   list
Series                            {"index": [...], "values": [...]}
DataFrame                         list of records; an index other than 0, 1, 2... is the column "index"
================================  ==============================================================
"""

from __future__ import annotations

import base64
import datetime
import decimal
import fractions
import math
import uuid
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from pathlib import PosixPath, PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from kernels.run_rules import VALUE_DEPTH
from kernels.serving.texts import clean, digits_of

EXACT_INT = 2**53
MAX_ITEMS = 10_000
MAX_CHARS = 256 * 1024
Json = None | bool | int | float | str | list[Any] | dict[str, Any]


class NotJsonError(Exception):
    """The value has no defined JSON form, or is too large or too deep."""


def to_json(value: object, *, max_items: int = MAX_ITEMS, max_chars: int = MAX_CHARS) -> Json:
    """*value* as strict JSON; raises NotJsonError for unknown types, cycles and anything over the limits."""
    return _Writer(max_items, max_chars).convert(value, 0)


def integer(value: int) -> int | str:
    """*value* if every JSON reader keeps it exact, otherwise its digits as text."""
    if -EXACT_INT <= value <= EXACT_INT:
        return int(value)
    text = digits_of(value)
    if text is None:
        raise NotJsonError(f"an integer of {value.bit_length()} bits")
    return text


def number(value: float) -> float | None:
    """*value*, or None when it is not finite."""
    return float(value) if math.isfinite(value) else None


class _Writer:
    """Converts one value within one budget."""

    def __init__(self, max_items: int, max_chars: int) -> None:
        self._items = max_items
        self._chars = max_chars

    def convert(self, value: Any, depth: int) -> Json:
        self._items -= 1
        if depth > VALUE_DEPTH or self._items < 0:
            raise NotJsonError("too large or too deep")
        if type(value) is str:
            self._spend(len(value))
        elif type(value) is int:
            self._spend(value.bit_length() // 3)
        convert = _SIMPLE.get(type(value))
        if convert is not None:
            return convert(value)
        if type(value) in _SEQUENCES:
            return self._list(value, depth)
        if type(value) in _MAPPINGS:
            return self._dict(value.items(), depth)
        return self._library(value, depth)

    def _spend(self, chars: int) -> None:
        self._chars -= chars
        if self._chars < 0:
            raise NotJsonError("too much text")

    def _list(self, values: Iterable[Any], depth: int) -> Json:
        return [self.convert(item, depth + 1) for item in values]

    def _dict(self, items: Iterable[tuple[Any, Any]], depth: int) -> Json:
        return {self._key(key): self.convert(item, depth + 1) for key, item in items}

    def _key(self, key: Any) -> str:
        if type(key) is tuple:
            return ", ".join(self._key(part) for part in key)
        plain = self.convert(key, VALUE_DEPTH)
        if isinstance(plain, list | dict):
            raise NotJsonError("a key that is not a scalar")
        return plain if isinstance(plain, str) else str(plain)

    def _library(self, value: Any, depth: int) -> Json:
        kind = type(value)
        if isinstance(value, np.generic) and kind.__module__ == "numpy":
            return self._scalar(value, depth)
        if kind is np.ndarray or (isinstance(value, pd.Index) and kind.__module__.partition(".")[0] == "pandas"):
            return self._array(value, depth)
        if kind is pd.Series:
            return {"index": self._array(value.index, depth), "values": self._array(value, depth)}
        if kind is pd.DataFrame:
            return self._frame(value, depth)
        raise NotJsonError(f"a value of type {kind.__name__}")

    def _scalar(self, value: Any, depth: int) -> Json:
        if value.dtype.kind in "mM":
            return None if np.isnat(value) else str(value)
        plain = value.item()
        if isinstance(plain, np.generic):
            return number(float(plain)) if plain.dtype.kind == "f" else str(plain)
        return self.convert(plain, depth)

    def _array(self, value: Any, depth: int) -> Json:
        if value.size > self._items:
            raise NotJsonError("too many items")
        if type(value) is np.ndarray and value.ndim == 0:
            return self.convert(value[()], depth)
        return self._list(value, depth)

    def _frame(self, frame: pd.DataFrame, depth: int) -> Json:
        if frame.size + len(frame) > self._items:
            raise NotJsonError("too many cells")
        if not isinstance(frame.index, pd.RangeIndex):
            frame = frame.reset_index(names=None if frame.index.nlevels > 1 else frame.index.name or "index")
        names = [self._key(name) for name in frame.columns]
        if len(set(names)) != len(names):
            raise NotJsonError("columns of the same name")
        columns = [self._array(frame.iloc[:, position], depth) for position in range(len(names))]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]  # type: ignore[arg-type]  # lists


def _nothing(_value: object) -> None:
    return None


def _iso(value: Any) -> str:
    return str(value.isoformat())


def _iso_or_none(value: Any) -> str | None:
    return None if value is pd.NaT else str(value.isoformat())


def _bytes(value: Any) -> dict[str, Any]:
    if len(value) > MAX_CHARS:
        raise NotJsonError("too many bytes")
    return {"base64": base64.b64encode(bytes(value)).decode("ascii")}


_SIMPLE: dict[type, Callable[[Any], Json]] = {
    type(None): _nothing,
    type(pd.NaT): _nothing,
    type(pd.NA): _nothing,
    bool: bool,
    int: integer,
    float: number,
    str: clean,
    complex: str,
    decimal.Decimal: str,
    fractions.Fraction: str,
    uuid.UUID: str,
    datetime.date: _iso,
    datetime.time: _iso,
    datetime.datetime: _iso,
    datetime.timedelta: str,
    pd.Timestamp: _iso_or_none,
    pd.Timedelta: str,
    pd.Period: str,
    pd.Interval: str,
    bytes: _bytes,
    bytearray: _bytes,
    **dict.fromkeys((PurePosixPath, PosixPath), str),
}
_SEQUENCES = frozenset({list, tuple, set, frozenset, range, deque})
_MAPPINGS = frozenset({dict, OrderedDict, defaultdict, Counter, ChainMap, MappingProxyType})

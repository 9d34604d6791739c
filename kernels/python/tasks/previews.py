"""Previews of values, bounded in length and time, made without calling the caller's methods."""

from __future__ import annotations

import datetime
import decimal
import fractions
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable
from itertools import islice
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
import pandas as pd

from kernels.serving.texts import clean, type_name

PREVIEW_CHARS = 200
ITEMS = 20
DEPTH = 3
_PLAIN = frozenset(
    {bool, type(None), float, complex, datetime.date, datetime.time, datetime.datetime, datetime.timedelta, range}
    | {decimal.Decimal, fractions.Fraction, type(Ellipsis), slice, pd.Timestamp, pd.Timedelta, type(pd.NaT)}
)
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
    deque: ("[", "]"),
}
_MAPPINGS = frozenset({dict, OrderedDict, defaultdict, Counter})
SIZED = frozenset(
    {list, tuple, set, frozenset, deque, dict, OrderedDict, defaultdict, Counter, str, bytes, bytearray, range}
    | {np.ndarray, pd.DataFrame, pd.Series, pd.Index, pd.RangeIndex, pd.DatetimeIndex}
) - {np.ndarray, pd.DataFrame, pd.Series}


def preview(value: object) -> str:
    """At most 200 characters about *value*; for types of the caller only ``<name object>``."""
    text = _render(value, DEPTH, PREVIEW_CHARS)
    text = clean(text)
    return text if len(text) <= PREVIEW_CHARS else text[: PREVIEW_CHARS - 3] + "..."


def _render(value: Any, depth: int, room: int) -> str:
    kind = type(value)
    if kind in _PLAIN:
        return repr(value)[: room + 3]
    if kind is int:
        return _integer(value)
    if kind in (str, bytes, bytearray):
        return repr(value[: room + 3])
    if kind in _BRACKETS:
        return _sequence(value, kind, depth, room)
    if kind in _MAPPINGS:
        return _mapping(value, kind, depth, room)
    if kind in (FunctionType, BuiltinFunctionType):
        return f"<function {str(value.__name__)[:room]}>"
    if issubclass(kind, type):  # isinstance would read the value's __class__
        return f"<class {type_name(value)}>"
    return _library(value, kind, depth, room)


def _integer(value: int) -> str:
    bits = value.bit_length()
    return repr(value) if bits < 4 * PREVIEW_CHARS else f"<int of {bits} bits>"


def _sequence(value: Any, kind: type, depth: int, room: int) -> str:
    opening, closing = _BRACKETS[kind]
    if not value and kind in (set, frozenset):
        return f"{kind.__name__}()"
    inside = _items(value, len(value), depth, room)
    if kind is tuple and len(value) == 1:
        inside += ","
    text = f"{opening}{inside}{closing}"
    return f"{kind.__name__}({text})" if kind in (deque, frozenset) else text


def _items(values: Iterable[Any], size: int, depth: int, room: int) -> str:
    if depth <= 0 and size:
        return "..."
    parts: list[str] = []
    for item in islice(values, ITEMS):
        parts.append(_render(item, depth - 1, room))
        room -= len(parts[-1]) + 2
        if room <= 0:
            break
    if len(parts) < size:
        parts.append("...")
    return ", ".join(parts)


def _mapping(value: Any, kind: type, depth: int, room: int) -> str:
    if depth <= 0 and value:
        inside = "..."
    else:
        parts: list[str] = []
        for key, item in islice(value.items(), ITEMS):
            parts.append(f"{_render(key, depth - 1, room)}: {_render(item, depth - 1, room)}")
            room -= len(parts[-1]) + 2
            if room <= 0:
                break
        if len(parts) < len(value):
            parts.append("...")
        inside = ", ".join(parts)
    return f"{{{inside}}}" if kind is dict else f"{kind.__name__}({{{inside}}})"


def _library(value: Any, kind: type, depth: int, room: int) -> str:
    if kind is np.ndarray:
        return _array(value, depth, room)
    if kind is pd.DataFrame:
        names = _items(list(value.columns[:ITEMS]), value.shape[1], 1, room)
        return f"DataFrame {value.shape[0]} x {value.shape[1]}: {names}"
    if kind is pd.Series:
        return f"Series of {value.shape[0]}, {value.dtype}: {_head(value.iloc[:ITEMS], value.shape[0], depth, room)}"
    if kind in SIZED:
        return f"{kind.__name__} of {len(value)}: {_head(value[:ITEMS], len(value), depth, room)}"
    if issubclass(kind, np.generic) and kind.__module__ == "numpy" and kind is not np.void:
        return str(value)[: room + 3] if not isinstance(value, np.str_ | np.bytes_) else repr(value.item()[: room + 3])
    return f"<{type_name(kind)} object>"


def _array(value: Any, depth: int, room: int) -> str:
    shape = "x".join(str(size) for size in value.shape) or "scalar"
    head = value.reshape(-1)[:ITEMS] if value.flags.c_contiguous else value.flat[:ITEMS]
    return f"array {shape}, {value.dtype}: {_head(head, value.size, depth, room)}"


def _head(values: Any, size: int, depth: int, room: int) -> str:
    items = [item.item() if isinstance(item, np.generic) and item.dtype.kind in "biufc" else item for item in values]
    return f"[{_items(items, size, depth - 1, room)}]"

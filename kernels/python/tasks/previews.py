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

from kernels.python.exact import Exactly, fields_of, has_own_zone, is_known_zone, is_own, text
from kernels.python.tables import storage
from kernels.serving.texts import clean, type_name

PREVIEW_CHARS = 200
ITEMS = 20
DEPTH = 3
_PLAIN = Exactly(
    *(bool, type(None), float, complex, datetime.date, datetime.time, datetime.datetime, datetime.timedelta, range),
    *(decimal.Decimal, fractions.Fraction, type(Ellipsis), pd.Timestamp, pd.Timedelta, type(pd.NaT), type(pd.NA)),
)
_TEXTS = Exactly(str, bytes, bytearray)
_SEQUENCES = Exactly(list, tuple, set, frozenset, deque)
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
    deque: ("[", "]"),
}
_MAPPINGS = Exactly(dict, OrderedDict, defaultdict, Counter)
_FUNCTIONS = Exactly(FunctionType, BuiltinFunctionType)
SIZED = _SEQUENCES | _MAPPINGS | _TEXTS | storage.INDEXES | Exactly(range)
NUMPY_SCALARS = Exactly(*(kind for kind in set(np.sctypeDict.values()) if kind is not np.void and kind is not np.object_))
_NUMPY_TEXTS = Exactly(np.str_, np.bytes_)


def preview(value: object) -> str:
    """At most 200 characters about *value*; for types of the caller only ``<name object>``."""
    text = _render(value, DEPTH, PREVIEW_CHARS)
    text = clean(text)
    return text if len(text) <= PREVIEW_CHARS else text[: PREVIEW_CHARS - 3] + "..."


def _render(value: Any, depth: int, room: int) -> str:
    kind = type(value)
    if has_own_zone(value) or (kind is pd.Timestamp and not is_known_zone(value.tzinfo)):
        return f"<{type_name(kind)} object>"
    if kind in _PLAIN:
        return repr(value)[: room + 3]
    if kind is int:
        return _integer(value)
    if kind in _TEXTS:
        return repr(value[: room + 3])
    if kind in _SEQUENCES:
        return _sequence(value, kind, depth, room)
    if kind in _MAPPINGS:
        return _mapping(value, kind, depth, room)
    if kind is slice:
        return f"slice({_items((value.start, value.stop, value.step), 3, depth, room)})"
    if kind in _FUNCTIONS:
        return f"<function {text(value.__name__)[:room]}>"
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
        return _frame(value, room)
    if kind is pd.Series:
        return _series(value, depth, room)
    if kind is pd.MultiIndex:
        return f"MultiIndex of {len(value)}: [{_items(_tuples(value), len(value), depth - 1, room)}]"
    if kind in storage.INDEXES:
        return f"{kind.__name__} of {len(value)}: {_head(_start(value)[1], len(value), depth, room)}"
    if kind in _NUMPY_TEXTS:
        return repr(value.item()[: room + 3])
    if kind in NUMPY_SCALARS:
        return str(value)[: room + 3]
    return _own(value, kind, depth, room)


def _own(value: Any, kind: type, depth: int, room: int) -> str:
    """What an object holds, when its class is the caller's; ``__repr__`` would be code of the caller."""
    fields = fields_of(value) if depth > 0 and is_own(kind) else {}
    parts: list[str] = []
    for name, item in islice(fields.items(), ITEMS):
        parts.append(f"{name[:room]}={_render(item, depth - 1, room)}")
        room -= len(parts[-1]) + 1
        if room <= 0:
            break
    if len(parts) < len(fields):
        parts.append("...")
    return f"<{type_name(kind)} {' '.join(parts) or 'object'}>"


def _start(values: Any) -> tuple[str, Any]:
    """The type and the first values of a series or index, by its array: ``iloc`` would copy what the caller has put into
    ``attrs``, with code of the caller.
    """
    array = storage.array_of(values)
    return storage.kind_name(array), [] if array is None else array[:ITEMS]


def _frame(value: Any, room: int) -> str:
    shape = storage.shape_of(value)
    if shape is None:
        return "DataFrame"
    columns = value.columns
    labels = _tuples(columns) if type(columns) is pd.MultiIndex else list(_start(columns)[1])
    return f"DataFrame {shape[0]} x {shape[1]}: {_items(labels, shape[1], 2, room)}"


def _tuples(index: pd.MultiIndex) -> list[Any]:
    return list(index[:ITEMS]) if storage.has_known_levels(index) else []


def _series(value: Any, depth: int, room: int) -> str:
    shape, (kind, start) = storage.shape_of(value), _start(value)
    return f"Series of {shape[0]}, {kind}: {_head(start, shape[0], depth, room)}" if shape else "Series"


def _array(value: Any, depth: int, room: int) -> str:
    shape = "x".join(str(size) for size in value.shape) or "scalar"
    head = value.reshape(-1)[:ITEMS] if value.flags.c_contiguous else value.flat[:ITEMS]
    return f"array {shape}, {value.dtype}: {_head(head, value.size, depth, room)}"


def _head(values: Any, size: int, depth: int, room: int) -> str:
    items = [item.item() if type(item) in NUMPY_SCALARS and item.dtype.kind in "biufc" else item for item in values]
    return f"[{_items(items, size, depth - 1, room)}]"

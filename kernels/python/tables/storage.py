"""What frames, series and arrays hold, reached without running code of the caller.

pandas calls such code in many places: it copies ``attrs``, asks subclasses of Index and ExtensionArray, and time zones. So
every type on the way is one of pandas' or numpy's own, told by identity, and nothing is asked that would copy ``attrs``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from kernels.python.exact import Exactly, is_known_zone, names_of
from kernels.serving.texts import clean

_FLAT = Exactly(pd.Index, pd.RangeIndex, pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex, pd.IntervalIndex)
_CODED = Exactly(pd.CategoricalIndex, pd.MultiIndex)
INDEXES = _FLAT | _CODED
_OFFSETS = Exactly(*(kind for kind in vars(pd.offsets).values() if type(kind) is type))
MASKED = Exactly(pd.arrays.BooleanArray, pd.arrays.IntegerArray, pd.arrays.FloatingArray)
ARROW = Exactly(pd.arrays.ArrowStringArray, pd.arrays.ArrowExtensionArray)
_PLAIN = MASKED | Exactly(np.ndarray, pd.arrays.NumpyExtensionArray, pd.arrays.StringArray, pd.arrays.TimedeltaArray)


def array_of(values: Any) -> Any | None:
    """The array of a series or an index of pandas' own, or None where that is the caller's."""
    if type(values) is pd.MultiIndex:
        return None
    array = values.array
    return array if is_known(array) else None


def has_known_levels(index: pd.MultiIndex) -> bool:
    """Whether all levels of *index* are pandas' own."""
    return all(type(level) in INDEXES and array_of(level) is not None for level in index.levels)


def column_of(frame: pd.DataFrame, position: int) -> Any | None:
    """The array of one column, or None where that is the caller's."""
    array = frame._get_column_array(position)  # all public ways to it copy attrs
    return array if is_known(array) else None


def shape_of(value: Any) -> tuple[int, ...] | None:
    """The shape of a frame, series or array, or None where only code of the caller could tell."""
    if type(value) is np.ndarray:
        return tuple(int(size) for size in value.shape)
    axes = (value.index, value.columns) if type(value) is pd.DataFrame else (value.index,)
    return tuple(len(axis) for axis in axes) if all(type(axis) in INDEXES for axis in axes) else None


def is_known(array: Any) -> bool:
    """Whether *array*, and all that it would ask, is pandas' or numpy's own."""
    kind = type(array)
    if kind in _PLAIN:
        return True
    if kind is pd.arrays.DatetimeArray:
        return is_known_zone(array.tz)
    if kind is pd.arrays.PeriodArray:
        return type(array.freq) in _OFFSETS
    if kind is pd.Categorical:
        return type(array.categories) in _FLAT and is_known(array.categories.array)
    if kind is pd.arrays.IntervalArray:
        return type(array.left) in _FLAT and is_known(array.left.array)
    if kind is pd.arrays.SparseArray:
        return array.dtype.subtype.kind in "biuf"
    return kind in ARROW and _is_plain_arrow(array.dtype)


def _is_plain_arrow(dtype: Any) -> bool:
    """Whether a type of Arrow is Arrow's own: others may be extended by the caller."""
    stored = getattr(dtype, "pyarrow_dtype", None)
    return stored is None or names_of(type(stored)).get("__module__") in ("pyarrow.lib", None)


def kind_name(array: Any | None) -> str:
    """The name of the type of the values in *array*."""
    if array is None:
        return "unknown"
    if type(array) is pd.arrays.SparseArray:
        return f"Sparse[{array.dtype.subtype}]"
    return clean(str(array.dtype))[:200]


def size_bytes(array: Any | None) -> int | None:
    """The bytes *array* takes, without what it refers to."""
    return None if array is None else int(array.nbytes)

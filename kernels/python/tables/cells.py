"""One value of a table as JSON: null, true, false, a number, a text, {"base64": ...} or {"preview": ...}.

What is whole is told from what is not: a text that is too long, and every value that has no agreed form, is a preview.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import uuid
from typing import Any

import numpy as np
import pandas as pd

from kernels.python.exact import Exactly, has_own_zone, is_known_zone
from kernels.python.shown import values
from kernels.python.tasks import previews
from kernels.serving.texts import clean

Json = None | bool | int | float | str | dict[str, str]
_MISSING = Exactly(type(None), type(pd.NaT), type(pd.NA))
_DATES = Exactly(datetime.date, datetime.time, datetime.datetime, pd.Timestamp)
_AS_TEXT = Exactly(datetime.timedelta, pd.Timedelta, decimal.Decimal, complex)
_BYTES = Exactly(bytes, bytearray)


def cell(value: Any, chars: int) -> Json:
    """*value* in at most some *chars* characters."""
    kind = type(value)
    if kind is str:
        return clean(value) if len(value) <= chars else {"preview": clean(value[:chars])}
    if kind is float:
        return values.number(value)
    if kind is bool or kind in _MISSING:
        return value if kind is bool else None
    if kind is int:
        return _whole(value, chars)
    if kind in previews.NUMPY_SCALARS:
        return _scalar(value, chars)
    return _rarer(value, kind, chars)


def _rarer(value: Any, kind: type, chars: int) -> Json:
    if kind in _DATES and not has_own_zone(value) and (kind is not pd.Timestamp or is_known_zone(value.tzinfo)):
        return str(value.isoformat())
    if kind in _AS_TEXT or (kind is uuid.UUID and type(value.int) is int):
        return str(value)[:chars]
    if kind in _BYTES and len(value) * 4 <= chars * 3:
        return {"base64": base64.b64encode(bytes(value)).decode("ascii")}
    return {"preview": previews.preview(value)[:chars]}


def _whole(value: int, chars: int) -> Json:
    if value.bit_length() > 3 * chars:
        return {"preview": previews.preview(value)[:chars]}
    return values.integer(value)


def _scalar(value: Any, chars: int) -> Json:
    if value.dtype.kind in "mM":
        return None if np.isnat(value) else str(value)
    plain = value.item()
    # A long double stays one.
    return values.number(float(value)) if type(plain) in previews.NUMPY_SCALARS else cell(plain, chars)


def label(value: Any) -> str:
    """The name of a column as text."""
    if type(value) is tuple:
        return ", ".join(map(label, value))
    shown = cell(value, previews.PREVIEW_CHARS)
    if isinstance(shown, dict):
        return next(iter(shown.values()))
    return shown if isinstance(shown, str) else str(shown)

"""Columns of any Python values: told apart by their exact types, compared and sorted where these are Python's own."""

from __future__ import annotations

import datetime
import decimal
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd

from kernels.python.tables.cells import Json, cell
from kernels.python.tables.forms import COMPARISONS, Mask, with_missing_last
from kernels.python.tables.keys import ObjectKey, RowKey
from kernels.python.tables.refusal import Unfit
from kernels.serving.texts import type_name

_NONE = {id(kind) for kind in (type(None), type(pd.NaT), type(pd.NA))}
_MAY_BE_MISSING = _NONE | {id(float), id(decimal.Decimal)}
_FAMILIES = [
    {id(str)},
    {id(bool), id(int), id(float)},
    {id(decimal.Decimal)},
    {id(datetime.date)},
    {id(bytes)},
]
"""Types that compare with one another without code of the caller."""


class Objects:
    """Values of any kinds; where *is_text* says so, all that are not missing are meant to be text."""

    def __init__(self, values: list[Any], *, is_text: bool = False) -> None:
        self.values = values
        self.is_text = is_text
        self._kinds = set(map(id, map(type, values)))
        """Their types by identity: to hash or compare one would run its metaclass."""

    def cells(self, chars: int) -> list[Json]:
        """Each by its own type."""
        return [cell(value, chars) for value in self.values]

    def missing(self) -> Mask:
        """None, NaN, NaT and NA."""
        if not self._kinds & _MAY_BE_MISSING:
            return np.zeros(len(self.values), dtype=bool)
        return np.fromiter(map(_is_missing, self.values), bool, len(self.values))

    def compare(self, name: str, value: Any) -> Mask:
        """Only with values of the same kind: text, numbers, truth values, days. All others are unequal to it."""
        if self.is_text and type(value) is not str:
            raise Unfit("holds text: compare it with text in double quotes")
        if name == "contains":
            return self._mask([type(held) is str and value in held for held in self.values])
        if type(value) is str:
            return self._mask(self._like_text(name, value))
        if type(value) is bool:
            return self._mask(self._like(name, value, {id(bool)}))
        return self._mask(self._like_numbers(name, value))

    def _mask(self, found: list[bool]) -> Mask:
        return np.array(found, dtype=bool)

    def _like(self, name: str, value: Any, kinds: set[int]) -> list[bool]:
        compare, differs = COMPARISONS[name], name == "!="
        if self._kinds <= kinds and not kinds & _MAY_BE_MISSING:
            return list(map(compare, self.values, repeat(value)))
        return [
            compare(held, value) if id(type(held)) in kinds else differs and not _is_missing(held) for held in self.values
        ]

    def _like_text(self, name: str, value: str) -> list[bool]:
        if id(datetime.date) not in self._kinds:
            return self._like(name, value, {id(str)})
        try:
            day = datetime.date.fromisoformat(value)
        except ValueError:
            raise Unfit('holds days: compare it with one in double quotes, such as "2024-05-31"') from None
        return self._like(name, day, {id(datetime.date)})

    def _like_numbers(self, name: str, value: float) -> list[bool]:
        compare, exact = COMPARISONS[name], decimal.Decimal(value)
        found = self._like(name, value, {id(int), id(float)})
        if not self._kinds & _MAY_BE_MISSING:
            return found
        for at, held in enumerate(self.values):
            if type(held) is decimal.Decimal:
                found[at] = not held.is_nan() and compare(held, exact)
            elif type(held) is float and held != held:
                found[at] = False
        return found

    def keys(self, *, descending: bool) -> list[RowKey]:
        """By value, where all are of one kind."""
        missing, kinds = self.missing(), self._kinds_of_present()
        if not any(kinds <= family for family in _FAMILIES):
            raise Unfit(self._disorder(kinds))
        if not missing.any():
            return [ObjectKey(self.values, descending)]
        present = np.flatnonzero(~missing)
        filler = self.values[present[0]] if len(present) else 0
        filled = [filler if absent else value for value, absent in zip(self.values, missing.tolist(), strict=True)]
        return with_missing_last(missing, ObjectKey(filled, descending))

    def _kinds_of_present(self) -> set[int]:
        """The types of what is not missing: a float may be there as NaN alone."""
        kinds = self._kinds - _NONE
        if id(float) in kinds and not any(type(value) is float and value == value for value in self.values):
            kinds.discard(id(float))
        return kinds

    def _disorder(self, kinds: set[int]) -> str:
        names = {id(kind): type_name(kind) for kind in map(type, self.values) if id(kind) in kinds}
        shown = ", ".join(sorted(set(names.values()))[:5])
        return f"holds values of the types {shown}: only text, numbers, Decimals, days or bytes by themselves can be sorted"


def _is_missing(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return bool(value != value)
    if kind is decimal.Decimal:
        return bool(value.is_nan())
    return id(kind) in _NONE

"""What rows are sorted by: the first few without sorting them all, and ties in the order in which they were."""

from __future__ import annotations

import heapq
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol

import numpy as np

Rows = Any
"""Numbers of rows in an array."""
HEAP_SHARE = 50


class RowKey(Protocol):
    """One value for each row; the smallest comes first."""

    def __len__(self) -> int: ...

    def at(self, rows: Rows) -> RowKey:
        """The same for some of the rows."""

    def split(self, count: int) -> tuple[Rows, Rows]:
        """The rows whose values are less than the *count*-th smallest, and those that have that."""

    def ranks(self) -> Any:
        """Numbers in the same order."""

    def order(self) -> Rows:
        """All rows sorted; those with the same value as they were."""


@dataclass(frozen=True, slots=True)
class NumberKey:
    """Numbers, none of them NaN."""

    values: Any

    def __len__(self) -> int:
        return len(self.values)

    def at(self, rows: Rows) -> NumberKey:
        """The same for some of the rows."""
        return NumberKey(self.values[rows])

    def split(self, count: int) -> tuple[Rows, Rows]:
        """By a partition, which takes a tenth of the time of a sort."""
        last = np.partition(self.values, count - 1)[count - 1]
        return np.flatnonzero(self.values < last), np.flatnonzero(self.values == last)

    def ranks(self) -> Any:
        """The numbers themselves."""
        return self.values

    def order(self) -> Rows:
        """By numpy."""
        return np.argsort(self.values, kind="stable")


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """Python's own values, of types that compare with one another without code of the caller."""

    values: list[Any]
    descending: bool

    def __len__(self) -> int:
        return len(self.values)

    def at(self, rows: Rows) -> ObjectKey:
        """The same for some of the rows."""
        return ObjectKey([self.values[row] for row in rows], self.descending)

    def split(self, count: int) -> tuple[Rows, Rows]:
        """By a heap of the first ones where they are few, else by a sort."""
        last = self._nth(count)
        less = map(operator.gt if self.descending else operator.lt, self.values, repeat(last))
        equal = map(operator.eq, self.values, repeat(last))
        size = len(self.values)
        return np.flatnonzero(np.fromiter(less, bool, size)), np.flatnonzero(np.fromiter(equal, bool, size))

    def _nth(self, count: int) -> Any:
        if count * HEAP_SHARE > len(self.values):
            return sorted(self.values, reverse=self.descending)[count - 1]
        return (heapq.nlargest if self.descending else heapq.nsmallest)(count, self.values)[-1]

    def ranks(self) -> Any:
        """The place of each among the different values."""
        places = {value: place for place, value in enumerate(sorted(set(self.values)))}
        found = np.fromiter((places[value] for value in self.values), np.int64, len(self.values))
        return -found if self.descending else found

    def order(self) -> Rows:
        """By Python, which knows how to compare texts quickly."""
        rows = sorted(range(len(self.values)), key=self.values.__getitem__, reverse=self.descending)
        return np.fromiter(rows, np.int64, len(rows))


def first(keys: Sequence[RowKey], count: int) -> Rows:
    """The *count* first rows by all *keys*, the most important one first, and maybe more; in the order they had."""
    size = len(keys[0])
    if count <= 0:
        return np.arange(0)
    if count * 2 >= size:  # to choose would cost more than to sort the rest as well
        return np.arange(size)
    less, equal = keys[0].split(count)
    left = count - len(less)
    equal = equal[first([key.at(equal) for key in keys[1:]], left)] if len(keys) > 1 else equal[:left]
    return np.sort(np.concatenate([less, equal]))


def ordered(keys: Sequence[RowKey]) -> Rows:
    """All rows in the order of *keys*."""
    if len(keys) == 1:
        return keys[0].order()
    return np.lexsort([key.ranks() for key in reversed(keys)])

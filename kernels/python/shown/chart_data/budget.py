"""How much one chart's data may be: what is surely too much is found before anything is made of it, and what is surely
little enough need not be made into JSON to be measured."""

from __future__ import annotations

from math import inf
from typing import Any

FEWEST_CHARS = 2
"""No value takes less as JSON: a digit and a comma."""
MOST_BYTES = 26
"""No number takes more: -1.2345678901234567e-100, a comma and a space. Dates and names are texts."""
MOST_CHAR_BYTES = 6
"""No character takes more: a control character is written as an escape."""
FRAME_BYTES = 4
"""The brackets or quotes of a value, a comma or colon, and a space."""


class TooMuchData(Exception):
    """The data of this chart would be more than its limit."""


class DataBudget:
    """What the data of one figure may still hold, within *limit_bytes* of JSON."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = self._left_bytes = limit_bytes

    def values(self, count: int) -> None:
        """Count so many numbers, dates or names; raises TooMuchData when there is surely no room for them."""
        self._spend(count * FEWEST_CHARS)

    def text(self, text: str) -> str:
        """*text* itself, counted."""
        self._spend(len(text))
        return text

    def surely_holds(self, chart: Any) -> bool:
        """Whether *chart* is within the limit however its numbers are written; False where only its JSON can tell."""
        return _most_bytes(chart) <= self._limit_bytes

    def _spend(self, size_bytes: int) -> None:
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise TooMuchData


def _most_bytes(value: Any) -> float:
    """No less than *value* takes as JSON, infinite where it may have none; raises for a text without UTF-8, as JSON does."""
    kind = type(value)
    if kind is float:
        return MOST_BYTES if value - value == 0 else inf
    if value is None or kind is bool:
        return MOST_BYTES
    if kind is list:
        return FRAME_BYTES + sum(map(_most_bytes, value))
    if kind is str:
        return FRAME_BYTES + MOST_CHAR_BYTES * len(value.encode())
    if kind is dict:
        return FRAME_BYTES + sum(_most_bytes(key) + _most_bytes(each) for key, each in value.items())
    return inf  # an integer, say, has no end

"""How much one chart's data may be: what is surely too much is found before anything is made of it."""

from __future__ import annotations

FEWEST_CHARS = 2
"""No value takes less as JSON: a digit and a comma."""


class TooMuchData(Exception):
    """The data of this chart would be more than its limit."""


class DataBudget:
    """What the data of one figure may still hold, within *limit_bytes* of JSON."""

    def __init__(self, limit_bytes: int) -> None:
        self._left_bytes = limit_bytes

    def values(self, count: int) -> None:
        """Count so many numbers, dates or names; raises TooMuchData when there is surely no room for them."""
        self._spend(count * FEWEST_CHARS)

    def text(self, text: str) -> str:
        """*text* itself, counted."""
        self._spend(len(text))
        return text

    def _spend(self, size_bytes: int) -> None:
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise TooMuchData

"""Any decoded JSON as strict JSON: finite numbers, 64-bit integers, valid Unicode, bounded depth and size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from json import JSONDecoder
from math import isfinite

from gateway.core.model import Json

MAX_DEPTH = 64
MAX_BYTES = 64 * 1024 * 1024
NODE_BYTES = 8
"""What a value costs beside its text, so that millions of empty lists are not free."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_MAX_DIGITS = 4_000
_LONGEST_INT = 20


class TooMuch(ValueError):
    """Deeper or larger than the budget allows, or not JSON at all."""


class Budget:
    """What may still be taken in; shared by the values of one message."""

    def __init__(self, limit_bytes: int = MAX_BYTES) -> None:
        self._left_bytes = limit_bytes

    def spend(self, cost_bytes: int) -> None:
        """Count *cost_bytes*; raises TooMuch when they are not there."""
        self._left_bytes -= cost_bytes
        if self._left_bytes < 0:
            raise TooMuch("too large")


def has_more_values(data: bytes, most: int) -> bool:
    """Whether the JSON text *data* has more than *most* containers and commas; what stands in strings does not count.

    To be asked before it is read: `[[],[],` takes fifty times its length as values, and seconds to walk through.
    """
    if len(data) <= most or _marks(data) <= most:
        return False
    return _marks(_STRING.sub(b"", data)) > most


def _marks(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def decode(data: bytes) -> object:
    """The value of *data*, whoever wrote it; NaN and infinities are None. Raises ValueError or RecursionError."""
    value: object = _DECODER.decode(data.decode())
    return value


def _read_int(digits: str) -> int | str:
    """Numbers far beyond 64 bits stay text: turning them into an int takes quadratic time."""
    return int(digits) if len(digits) <= _LONGEST_INT else digits


def _read_float(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


_DECODER = JSONDecoder(parse_int=_read_int, parse_float=_read_float, parse_constant=lambda _name: None)


def clean_text(text: str) -> str:
    """*text* as it can be encoded: pairs of surrogates joined, lone ones replaced."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def text_bytes(text: str) -> int:
    """How many bytes *text* takes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def clean(value: object, budget: Budget, depth: int = 0) -> Json:
    """*value* as strict JSON; raises TooMuch when it is deeper or larger than allowed."""
    if depth > MAX_DEPTH:
        raise TooMuch("too deep")
    budget.spend(NODE_BYTES)
    match value:
        case None | bool():
            return value
        case str():
            budget.spend(len(value))
            return clean_text(value)
        case int():
            return clean_int(value)
        case float():
            return value if isfinite(value) else None
        case list():
            return [clean(item, budget, depth + 1) for item in value]
        case dict():
            return _clean_dict(value, budget, depth)
        case _:
            raise TooMuch("not JSON")


def _clean_dict(value: dict[object, object], budget: Budget, depth: int) -> dict[str, Json]:
    cleaned: dict[str, Json] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise TooMuch("not JSON")
        budget.spend(len(key))
        cleaned[clean_text(key)] = clean(item, budget, depth + 1)
    return cleaned


def clean_int(value: int) -> int | str:
    """*value* when 64 bits hold it, else its digits as text (hexadecimal when there are thousands)."""
    if -(2**63) <= value < 2**64:
        return value
    return str(value) if value.bit_length() < 3 * _MAX_DIGITS else hex(value)


def size_bytes(value: Json | Mapping[str, Json]) -> int:
    """About how many bytes *value* takes as JSON; exact for text."""
    if isinstance(value, str):
        return text_bytes(value)
    if isinstance(value, list):
        return NODE_BYTES + sum(size_bytes(item) for item in value)
    if isinstance(value, Mapping):
        return NODE_BYTES + sum(text_bytes(key) + size_bytes(item) for key, item in value.items())
    return NODE_BYTES

"""Any decoded JSON as strict JSON: finite numbers, 64-bit integers, valid Unicode, bounded depth and size."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from json import JSONDecoder
from math import isfinite

import orjson

from gateway.core.model import Json

MAX_DEPTH = 64
MAX_BYTES = 64 * 1024 * 1024
NODE_BYTES = 8
"""What a value costs beside its text, so that millions of empty lists are not free."""
WALK_BYTES = 64
"""The same where each has to be looked at, for half characters and huge numbers: that takes much longer."""
MANY_BYTES = 64 * 1024

_MAX_DIGITS = 4_000
_LONGEST_INT = 20
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}",'))
_PIECE_BYTES = 64 * 1024
_ALIKE = bytes.maketrans(b"{}", b"[]")


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
    if len(data) <= most or data.count(b",") + data.count(b"[") + data.count(b"{") <= most:
        return False
    bare = _bare(data)
    return bare.count(b",") + bare.count(b"[") > most


def decode(data: bytes) -> object:
    """The value of *data*, whoever wrote it; NaN and infinities are None. Raises ValueError or RecursionError."""
    with uncollected(data):
        value: object = _DECODER.decode(data.decode())
    return value


@contextmanager
def uncollected(data: bytes) -> Iterator[None]:
    """Make values of *data* inside the block without looking for garbage among them again and again.

    That would take several times as long as making them, where there are millions.
    """
    if len(data) < MANY_BYTES or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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


def clean(value: object, budget: Budget) -> Json:
    """*value* as strict JSON; raises TooMuch when it is deeper or larger than allowed."""
    if not isinstance(value, dict | list):
        return _walk(value, budget, 0)
    # Kernels decide how many parts there are: a look at each of millions would take seconds.
    try:
        data = orjson.dumps(value)
    except TypeError:
        return _walk(value, budget, 0)
    budget.spend(weight(data))
    if is_deeper(data, MAX_DEPTH):
        raise TooMuch("too deep")
    if b"null" not in data:
        return value
    with uncollected(data):
        plain: Json = orjson.loads(data)  # NaN is written as null
    return plain


def is_deeper(data: bytes, levels: int) -> bool:
    """Whether more than *levels* lists and objects of the JSON *data* are within each other."""
    if data.count(b"[") + data.count(b"{") <= levels:
        return False
    brackets = _bare(data).replace(b",", b"")
    for _ in range(levels):
        brackets = brackets.replace(b"[]", b"")  # the innermost ones, wherever they are
    return bool(brackets)


def _bare(data: bytes) -> bytes:
    """The commas and brackets of the JSON *data* that stand in no text, all of them square ones."""
    marks = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_ALIKE, _NO_MARKS)
    marks = marks.replace(b'""', b"")
    # A list of all texts at once would be large.
    kept, is_inside = bytearray(), False
    for at in range(0, len(marks), _PIECE_BYTES):
        parts = marks[at : at + _PIECE_BYTES].split(b'"')
        kept += b"".join(parts[is_inside::2])
        is_inside ^= len(parts) % 2 == 0
    return bytes(kept)


def weight(data: bytes) -> int:
    """About how much the value with the JSON *data* costs: its text, and each value in it."""
    containers = data.count(b"[") + data.count(b"{") - data.count(b"[]") - data.count(b"{}")
    return len(data) + NODE_BYTES * (data.count(b",") + containers + 1)


def _walk(value: object, budget: Budget, depth: int) -> Json:
    if depth > MAX_DEPTH:
        raise TooMuch("too deep")
    budget.spend(WALK_BYTES)
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
            return [_walk(item, budget, depth + 1) for item in value]
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
        cleaned[clean_text(key)] = _walk(item, budget, depth + 1)
    return cleaned


def clean_int(value: int) -> int | str:
    """*value* when 64 bits hold it, else its digits as text (hexadecimal when there are thousands)."""
    if -(2**63) <= value < 2**64:
        return value
    return str(value) if value.bit_length() < 3 * _MAX_DIGITS else hex(value)


def size_bytes(value: Json | Mapping[str, Json]) -> int:
    """About how many bytes *value* takes as JSON; exact for text and for the texts of an object, as MIME bundles are."""
    if isinstance(value, str):
        return text_bytes(value)
    if isinstance(value, Mapping):
        return NODE_BYTES + sum(text_bytes(key) + _part_bytes(item) for key, item in value.items())
    return _part_bytes(value)


def _part_bytes(value: Json) -> int:
    if isinstance(value, str):
        return text_bytes(value)
    return weight(orjson.dumps(value)) if isinstance(value, dict | list) else NODE_BYTES

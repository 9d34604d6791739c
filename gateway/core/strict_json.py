"""Converts foreign JSON to strict JSON: finite numbers, safe integers, valid Unicode, bounded depth and size."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from json import JSONDecoder
from math import isfinite
from typing import TypeVar

import orjson

from gateway.core.json_limits import KERNEL_DEPTH, KERNEL_VALUES
from gateway.core.model import Json

T = TypeVar("T")

MAX_BYTES = 64 * 1024 * 1024
MAX_VALUES = KERNEL_VALUES
"""Maximum number of values in one message of a kernel."""
SAFE_INT = 2**53 - 1
"""Larger integers become text: readers that use doubles would read another number (RFC 7493)."""
NODE_BYTES = 8
"""Bytes charged per value in addition to its text, so that millions of empty lists are not free."""
MEND_FACTOR = 16
"""The factor charged for a value in which something has to be replaced."""
MANY_BYTES = 64 * 1024
STEP_BYTES = 1024 * 1024
"""After so many bytes of a long text the event loop serves others."""
FEW = 1000
"""Up to this number, values are not distinguished from commas in texts."""

_MAX_DIGITS = 4_000
_MOST_DIGITS = str(SAFE_INT)
_SAFE_DIGITS = len(_MOST_DIGITS)
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}",'))
_PIECE_BYTES = 64 * 1024
_ALIKE = bytes.maketrans(b"{}", b"[]")
_KINDS = bytes(
    ord("0") if chr(byte) in "0123456789" else ord(",") if chr(byte) in "[,:- \t\r\n" else ord("x") for byte in range(256)
)
"""Maps digits, characters that may precede a number, and all others to one character each."""
_LONG_NUMBER = b"," + 16 * b"0"
_STEP = {ord("["): 1, ord("]"): -1}
_PASSES = 4
_HALF = re.compile(rb"\xed[\xa0-\xbf].", re.DOTALL)
_PAIR = re.compile(rb"\xed[\xa0-\xaf].\xed[\xb0-\xbf].", re.DOTALL)
_REPLACEMENT = "\ufffd".encode()


class TooMuch(ValueError):
    """Deeper or larger than the budget allows, or not JSON at all."""


class Budget:
    """The bytes that may still be read; shared by the values of one message."""

    def __init__(self, limit_bytes: int = MAX_BYTES) -> None:
        self._left_bytes = limit_bytes

    def spend(self, cost_bytes: int) -> None:
        """Charge *cost_bytes*; raises TooMuch if they are not left."""
        self._left_bytes -= cost_bytes
        if self._left_bytes < 0:
            raise TooMuch("too large")


# ---- the cost of parsing, estimated before anything is parsed -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """The number of lists and objects in a JSON text, and of the commas between values."""

    containers: int = 0
    commas: int = 0

    @property
    def values(self) -> int:
        """About how many values it has."""
        return self.containers + self.commas


NONE = Count()


Steps = Generator[int, None, T]
"""Work in steps, between which the event loop serves others: each step yields its cost in bytes."""


def run_out(steps: Steps[T]) -> T:
    """The result of *steps*, taken without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value


def counting(data: bytes, most: int) -> Steps[Count]:
    """The Count of the JSON text *data*, in steps; it may stop once it is above *most*.

    Characters in strings do not count, unless there are only a FEW, except surrogates: each has to be
    replaced. Callers count before they parse.
    """
    containers = commas = halves = 0
    for at in range(0, len(data), STEP_BYTES):
        if at:
            yield STEP_BYTES
        end = at + STEP_BYTES
        containers += data.count(b"[", at, end) + data.count(b"{", at, end)
        commas += data.count(b",", at, end)
        if data.find(b"\\u", at, end) >= 0:
            halves += data.count(b"\\ud", at, end) + data.count(b"\\uD", at, end)
    if containers + commas <= min(FEW, most) or halves > most:
        return Count(containers, commas + halves)
    containers, commas = 0, halves
    for index, marks in enumerate(_bare(data)):
        if index and not index * _PIECE_BYTES % STEP_BYTES:
            yield STEP_BYTES
        containers += marks.count(b"[")
        commas += marks.count(b",")
        if containers + commas > most:
            break
    return Count(containers, commas)


def count(data: bytes, most: int = MAX_VALUES) -> Count:
    """The Count of *data* at once; see counting()."""
    return run_out(counting(data, most))


def has_more_values(data: bytes, most: int) -> bool:
    """Whether the JSON text *data* has more than *most* containers and commas outside of strings."""
    return len(data) > most and count(data, most).values > most


def is_deeper(data: bytes, levels: int) -> bool:
    """Whether lists and objects of the JSON *data* are nested deeper than *levels*."""
    if data.count(b"[") + data.count(b"{") <= levels:
        return False
    brackets = b"".join(_bare(data)).replace(b",", b"")
    # Mostly nearly all are innermost ones, or have only such in them. What is left is not worth so many passes.
    passes = min(levels, _PASSES)
    for _ in range(passes):
        brackets = brackets.replace(b"[]", b"")
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > levels - passes


def _bare(data: bytes) -> Iterator[bytes]:
    """The commas and brackets of the JSON *data* outside of strings, with all brackets as square ones, piece by piece."""
    at, is_inside = 0, False
    while at < len(data):
        piece = data[at : at + _PIECE_BYTES]
        at += len(piece)
        if b"\\" in piece:
            if at < len(data) and (len(piece) - len(piece.rstrip(b"\\"))) % 2:
                piece, at = piece[:-1], at - 1  # the escaped character comes with the next piece
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = piece.translate(_ALIKE, _NO_MARKS).replace(b'""', b"").split(b'"')
        yield b"".join(parts[is_inside::2])
        is_inside ^= len(parts) % 2 == 0


def weight(data: bytes) -> int:
    """The approximate cost of the JSON *data*: its text and each value in it."""
    return len(data) + NODE_BYTES * (data.count(b",") + data.count(b"[") + data.count(b"{") + 1)


# ---- reading ------------------------------------------------------------------------------------------------------------


def decode(data: bytes) -> object:
    """The value of *data*; NaN and infinities become None, unsafe integers become text.

    It may still contain lone surrogates. Raises ValueError or RecursionError.
    """
    return run_out(decoding(data))


def decoding(data: bytes) -> Steps[object]:
    """The same as decode(), in steps."""
    if len(data) <= STEP_BYTES:
        return _decode(data, has_long_number=_has_long_number(b"," + data))
    has_long = data[:1].isdigit()  # a number alone
    for at in range(0, len(data), STEP_BYTES):
        yield STEP_BYTES
        has_long = has_long or _has_long_number(data[max(0, at - 1) : at + STEP_BYTES + _SAFE_DIGITS])
    return _decode(data, has_long_number=has_long)


def _has_long_number(data: bytes) -> bool:
    return _LONG_NUMBER in data.translate(_KINDS)


def _decode(data: bytes, *, has_long_number: bool) -> object:
    with uncollected(data):
        if not has_long_number:
            try:
                return orjson.loads(data)
            except orjson.JSONDecodeError:
                pass  # it is stricter than this function: it accepts no NaN and no lone surrogate
        value: object = _DECODER.decode(data.decode())
    return value


@contextmanager
def uncollected(data: bytes) -> Iterator[None]:
    """Parse *data* inside the block without repeated garbage collections.

    With millions of values these would take several times as long as the parsing.
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
    size = digits.lstrip("-")
    if len(size) != _SAFE_DIGITS:
        return int(digits) if len(size) < _SAFE_DIGITS else digits
    return int(digits) if size <= _MOST_DIGITS else digits  # of one length, so digits compare as numbers do


def _read_float(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


_DECODER = JSONDecoder(parse_int=_read_int, parse_float=_read_float, parse_constant=lambda _name: None)


# ---- parsed values as strict JSON ---------------------------------------------------------------------------------------


def clean_text(text: str) -> str:
    """*text* in encodable form: pairs of surrogates joined, lone ones replaced."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _mend(text)
    return text


def _mend(text: str) -> str:
    """*text* without lone surrogates, in one pass, because a kernel decides how many there are."""
    data = text.encode("utf-8", "surrogatepass")
    if _PAIR.search(data):
        data = (
            text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass").encode("utf-8", "surrogatepass")
        )
    return _HALF.sub(_REPLACEMENT, data).decode()


def text_bytes(text: str) -> int:
    """The length of *text* in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def clean(value: object, budget: Budget) -> Json:
    """*value* as strict JSON; raises TooMuch if it is deeper or larger than allowed."""
    match value:
        case str():
            budget.spend(len(value))
            return clean_text(value)
        case float():
            return value if isfinite(value) else None
        case int():
            return clean_int(value)
        case None:
            return None
        case dict() | list():
            return _clean_container(value, budget)
        case _:
            raise TooMuch("not JSON")


def _clean_container(value: dict[str, Json] | list[Json], budget: Budget) -> Json:
    """*value* checked as a whole: a kernel decides how many parts there are, and checking each would take seconds."""
    try:
        data = orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
        budget.spend(weight(data))
        cleaned: Json = orjson.loads(data) if b"null" in data else value  # NaN is written as null
    except TypeError:
        cleaned, data = _rewrite(value, budget)
    if is_deeper(data, KERNEL_DEPTH):
        raise TooMuch("too deep")
    return cleaned


def _rewrite(value: dict[str, Json] | list[Json], budget: Budget) -> tuple[Json, bytes]:
    """*value* after the necessary replacements, and its JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        budget.spend(MEND_FACTOR * len(text))
        with uncollected(text.encode("utf-8", "surrogatepass")):
            cleaned: Json = _DECODER.decode(_mend(text))
        # From Python 3.12 on the decoder goes deeper than orjson does, which raises TypeError.
        return cleaned, orjson.dumps(cleaned)
    except (TypeError, ValueError, RecursionError):
        raise TooMuch("too much, or not JSON") from None


def clean_int(value: int) -> int | str:
    """*value* if it is a safe integer, otherwise its digits as text (hexadecimal if there are thousands)."""
    if -SAFE_INT <= value <= SAFE_INT:
        return value
    return str(value) if value.bit_length() < 3 * _MAX_DIGITS else hex(value)


def size_bytes(value: Json | Mapping[str, Json]) -> int:
    """The approximate size of *value* as JSON; exact for text and for objects of texts, such as MIME bundles."""
    if isinstance(value, str):
        return text_bytes(value)
    if isinstance(value, Mapping):
        return NODE_BYTES + sum(text_bytes(key) + _part_bytes(item) for key, item in value.items())
    return _part_bytes(value)


def _part_bytes(value: Json) -> int:
    if isinstance(value, str):
        return text_bytes(value)
    return weight(orjson.dumps(value)) if isinstance(value, dict | list) else NODE_BYTES

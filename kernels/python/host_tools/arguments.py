"""Arguments of a call as strict JSON: what the host reads is what the code gave, or the call fails."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from kernels.run_rules import VALUE_DEPTH
from kernels.serving.texts import type_name

MAX_VALUES: Final = 90_000
"""How many values one call may have: the gateway reads 200,000 lists, objects and commas in a message."""
EXACT_INT: Final = 2**53 - 1
SENDABLE: Final = "a call can send text, finite numbers, True, False, None, lists, and dicts with text as keys"


def named(tool: str, order: Sequence[str], args: Sequence[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name; those without a name have the names in *order*. Raises TypeError."""
    if len(args) > len(order):
        known = f"at most {len(order)} arguments without a name ({', '.join(order)})" if order else "its arguments by name"
        raise TypeError(f"tools.{tool}() takes {known}")
    by_name = dict(zip(order, args, strict=False))
    for name in given:
        if name in by_name:
            raise TypeError(f"tools.{tool}() got the argument {name!r} twice")
    return {**by_name, **given}


def checked(tool: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """*given* as strict JSON; raises TypeError, which names the argument."""
    writer = _StrictWriter()
    told = {}
    for name, value in given.items():
        try:
            told[name] = writer.convert(value, 1)
        except _Flaw as flaw:
            place = "".join(f"[{part!r}]"[:60] for part in reversed(flaw.path))
            where = f" at {name}{place}" if place else ""
            raise TypeError(f"tools.{tool}(): the argument {name!r} has {flaw.text}{where}: {SENDABLE}") from None
    return told


class _Flaw(Exception):
    """A value that is no JSON, and the way to it from the inside out."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.path: list[Any] = []


class _StrictWriter:
    """Converts the arguments of one call."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def convert(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise _Flaw(f"more than {MAX_VALUES} values with those before it")
        if depth > VALUE_DEPTH:
            raise _Flaw(f"more than {VALUE_DEPTH} levels")
        if value is None or value is True or value is False:
            return value
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, bool):
            return bool(value)
        if isinstance(value, int | float):
            return _number(value)
        return self._container(value, depth)

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return {_key(name): self._item(name, item, depth) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._item(at, item, depth) for at, item in enumerate(value)]
        raise _Flaw(f"a value of type {type_name(type(value))}")

    def _item(self, name: Any, item: Any, depth: int) -> Any:
        try:
            return self.convert(item, depth + 1)
        except _Flaw as flaw:
            flaw.path.append(name)
            raise


def _key(name: Any) -> str:
    if not isinstance(name, str):
        raise _Flaw(f"a key of type {type_name(type(name))}")
    return _text(name)


def _text(value: str) -> str:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Flaw("text with half a character (a lone surrogate)") from None
    return text


def _number(value: Any) -> int | float:
    if isinstance(value, float):
        number = float.__float__(value)
        if not math.isfinite(number):
            raise _Flaw(f"the number {number!r}")
        return number
    whole = int.__index__(value)
    if not -EXACT_INT <= whole <= EXACT_INT:
        raise _Flaw("a whole number beyond 2**53, which many readers of JSON round (give it as text)")
    return whole

"""Values as strict JSON, whatever they hold. Pure.

Numbers: NaN and infinities become null. Whole numbers beyond 2**53 - 1 become decimal text, because JSON readers that use
doubles would read another number without notice (RFC 7493 section 2.2). Lone surrogates become U+FFFD.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping

import orjson

from gateway.core.json_limits import ANSWER_DEPTH
from gateway.core.model import Json
from gateway.core.strict_json import SAFE_INT, STEP_BYTES, clean_text

LEVELS, MOST_SHOWN = 4, 64
"""How deep in an answer long texts are (results, one of them, its data, a MIME type), and in lists of what length
they are looked for: in longer ones each is short beside the whole."""
_TOO_DEEP = "… (nested too deep)"


def dump(value: object, options: int = orjson.OPT_STRICT_INTEGER) -> bytes:
    """*value* as strict JSON in UTF-8, whatever it holds."""
    try:
        return orjson.dumps(value, option=options)
    except TypeError:
        # Only answers with something JSON has no form for pay for the walk.
        return orjson.dumps(clean(value), option=options)


def document(value: object) -> bytes:
    """The same as a body of its own; its last line ends, so that a terminal's prompt is not on it."""
    return dump(value, orjson.OPT_STRICT_INTEGER | orjson.OPT_APPEND_NEWLINE)


def documenting(value: object) -> Generator[None, None, bytes]:
    """What document() answers, in steps where there are long texts: others are served between."""
    parts = value.values() if isinstance(value, dict) else ()
    if any(part for part in parts if isinstance(part, list) or (isinstance(part, str) and len(part) > STEP_BYTES)):
        value = yield from _long_texts_dumped(value, LEVELS)
    return document(value)


def _long_texts_dumped(value: object, levels: int) -> Generator[None, None, object]:
    """*value*, in it each long text as its JSON; looked for only where answers have them."""
    if isinstance(value, str) and len(value) > STEP_BYTES:
        dumped = dump(value)
        yield
        return orjson.Fragment(dumped)
    if levels and isinstance(value, dict):
        parts: dict[str, object] = {}
        for name, part in value.items():
            parts[name] = yield from _long_texts_dumped(part, levels - 1)
        return parts
    if levels and isinstance(value, list) and len(value) <= MOST_SHOWN:
        items: list[object] = []
        for item in value:
            items.append((yield from _long_texts_dumped(item, levels - 1)))
        return items
    return value


def clean(value: object, depth: int = ANSWER_DEPTH) -> Json:
    """*value* with everything strict JSON can't carry replaced; see the module's first lines for by what."""
    match value:
        case None | bool():
            return value
        case str():
            return clean_text(value)
        case int():
            return int(value) if -SAFE_INT <= value <= SAFE_INT else _digits(value)
        case float():
            return float(value) if math.isfinite(value) else None
        case orjson.Fragment():
            return value  # type: ignore[return-value]  # JSON already
        case _ if depth <= 0:
            return _TOO_DEEP
        case Mapping():
            return {clean_text(str(key)): clean(item, depth - 1) for key, item in value.items()}
        case list() | tuple():
            return [clean(item, depth - 1) for item in value]
        case _:
            return f"({type(value).__name__})"


def _digits(value: int) -> str:
    """*value* in decimal; beyond what Python converts by default (4300 digits) in hexadecimal, which is never slow."""
    try:
        return str(value)
    except ValueError:
        return hex(value)


def describe_failure(kind: str, message: str, code: str) -> dict[str, Json]:
    """A request that was not carried out: the same error shape with a stable code."""
    return {
        "success": False,
        "error": {"type": kind, "message": message, "code": code, "traceback": None},
    }

"""Any values as strict JSON. Pure.

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
"""Where long texts are looked for: so many levels deep (results, one result, its data, a MIME type), and in lists of at most
so many items."""
_TOO_DEEP = "… (nested too deep)"


def dump(value: object, options: int = orjson.OPT_STRICT_INTEGER) -> bytes:
    """*value* as strict JSON in UTF-8."""
    try:
        return orjson.dumps(value, option=options)
    except TypeError:
        # The walk through all values is needed only when JSON has no form for one.
        return orjson.dumps(clean(value), option=options)


def document(value: object) -> bytes:
    """*value* as a body: strict JSON with a newline at the end, so that a terminal's prompt is on a line of its own."""
    return dump(value, orjson.OPT_STRICT_INTEGER | orjson.OPT_APPEND_NEWLINE)


def documenting(value: object) -> Generator[None, None, bytes]:
    """document() in steps, one for each long text; the caller serves other requests between them."""
    parts = value.values() if isinstance(value, dict) else ()
    if any(part for part in parts if isinstance(part, list) or (isinstance(part, str) and len(part) > STEP_BYTES)):
        value = yield from _long_texts_dumped(value, LEVELS)
    return document(value)


def _long_texts_dumped(value: object, levels: int) -> Generator[None, None, object]:
    """*value* with each long text replaced by its JSON."""
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
    """*value* with everything replaced that strict JSON has no form for; see the module's docstring."""
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
    """*value* in decimal; in hexadecimal, which takes linear time, above the 4300 digits that Python converts."""
    try:
        return str(value)
    except ValueError:
        return hex(value)


def describe_failure(kind: str, message: str, code: str) -> dict[str, Json]:
    """A failed request in the form of a failed run, with a stable code."""
    return {
        "success": False,
        "error": {"type": kind, "message": message, "code": code, "traceback": None},
    }

"""Request bodies as JSON objects; anything else is a BadRequest that says what is wrong. Pure."""

from __future__ import annotations

import orjson

from gateway.core.errors import BadRequest, TooLarge
from gateway.core.json_limits import REQUEST_DEPTH, REQUEST_VALUES
from gateway.core.model import Json
from gateway.core.strict_json import has_more_values, is_deeper, uncollected


def parse_object(body: bytes, max_depth: int = REQUEST_DEPTH) -> dict[str, Json]:
    """The JSON object in *body*. Whole numbers beyond 64 bits become floats, as in most JSON readers.

    Raises BadRequest when *body* is not an object or is nested too deep, TooLarge for more than REQUEST_VALUES values.
    """
    return check_object(parse_value(body), body, max_depth)


def parse_value(body: bytes) -> Json:
    """The JSON in *body*, for those who tell lists from other faults. How deep it may be checks check_object()."""
    if not body.strip():
        raise BadRequest("The body is empty: send a JSON object.")
    if has_more_values(body, REQUEST_VALUES):
        raise TooLarge(f"The body has more than {REQUEST_VALUES} values.")
    try:
        with uncollected(body):
            value: Json = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(_reason(body, error)) from None
    return value


def check_object(value: Json, body: bytes, max_depth: int = REQUEST_DEPTH) -> dict[str, Json]:
    """*value*, which is the JSON in *body*; raises BadRequest unless it is an object that is not nested too deep."""
    if not isinstance(value, dict):
        raise BadRequest(f"The body must be a JSON object, not {name_of(value)}.")
    if is_deeper(body, max_depth):
        raise BadRequest(f"The body is nested more than {max_depth} levels deep.")
    return value


def name_of(value: object) -> str:
    """The JSON type of *value* as words with an article, for error messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _reason(body: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as flaw:
        return f"The body is not UTF-8: bad byte at position {flaw.start}."
    return f"The body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."

"""The JSON schema of a function's arguments, from its signature and docstring. Pure."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, Union

SIMPLE: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
UNIONS = (Union, getattr(types, "UnionType", Union))
ARRAYS = (list, tuple, set, frozenset, Sequence)
OBJECTS = (dict, Mapping)
_GOOGLE = re.compile(r"^(?:Args|Arguments|Parameters):\s*$")
_GOOGLE_ENTRY = re.compile(r"^\s+\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.+)$")
_SPHINX_ENTRY = re.compile(r"^\s*:param\s+(?:[^:]*\s)?(\w+):\s*(.+)$")
_SECTION = re.compile(r"^(?:Returns?|Raises|Yields?|Examples?|Notes?):\s*$")


def parameters_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The schema of what *function* takes by name. TypeError if it can't be called with names alone."""
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):  # a name that is known to type checkers alone, or syntax that is newer than this Python
        hints = {}
    told = parameter_texts(inspect.getdoc(function) or "")
    properties: dict[str, Any] = {}
    required = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{function.__name__}() can't be a tool: {parameter} is no parameter with a name")
        schema = schema_of(hints.get(name, Any))
        if name in told:
            schema = {**schema, "description": told[name]}
        if parameter.default is parameter.empty:
            required.append(name)
        elif _is_json(parameter.default):
            schema = {**schema, "default": parameter.default}
        properties[name] = schema
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def schema_of(hint: Any) -> dict[str, Any]:
    """The schema of a value of the type *hint*; for a type that JSON does not have, one that allows everything."""
    if hint in SIMPLE:
        return {"type": SIMPLE[hint]}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in UNIONS:
        return {"anyOf": [schema_of(one) for one in inner]}
    if origin is Literal:
        return {"enum": list(inner)}
    if hint in ARRAYS or origin in ARRAYS or _is_a(origin, Sequence):
        one = next((item for item in inner if item is not Ellipsis), Any)
        return {"type": "array", "items": schema_of(one)}
    if hint in OBJECTS or _is_a(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(inner[1])} if inner[1:] else {"type": "object"}
    if _is_a(hint, Enum):
        return {"enum": [member.value for member in hint]}
    return {}


def _is_a(hint: Any, kind: type) -> bool:
    return isinstance(hint, type) and issubclass(hint, kind)


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def description_of(function: Callable[..., Any]) -> str:
    """What the docstring says of the whole, without what it says of parameters and results."""
    lines = []
    for line in (inspect.getdoc(function) or "").splitlines():
        if _GOOGLE.match(line) or _SECTION.match(line) or re.match(r"\s*:(?:param|returns?|raises|rtype)\b", line):
            break
        lines.append(line.strip())
    return "\n".join(lines).strip()


def parameter_texts(docstring: str) -> dict[str, str]:
    """What *docstring* says of each parameter, in the form of Google or of Sphinx."""
    told: dict[str, str] = {}
    is_within, last = False, ""
    for line in docstring.splitlines():
        sphinx = _SPHINX_ENTRY.match(line)
        entry = _GOOGLE_ENTRY.match(line) if is_within else None
        if found := sphinx or entry:
            last = found[1]
            told[last] = found[2].strip()
        elif _GOOGLE.match(line):
            is_within, last = True, ""
        elif not line.strip() or not line.startswith(" "):
            is_within, last = is_within and not line.strip(), ""
        elif last:
            told[last] += f" {line.strip()}"
    return told

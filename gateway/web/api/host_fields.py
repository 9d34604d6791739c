"""The fields of bodies about tools of the client's that code can call; core.host_tools reads them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, JsonValue

from gateway.core.host_tools import ERROR, ID, KEYWORDS, MAX_TOOLS, NAME

_TOOL: Final[dict[str, JsonValue]] = {
    "type": "object",
    "properties": {
        "name": {
            "type": "string",
            "pattern": NAME,
            "not": {"enum": [*KEYWORDS, ERROR]},
            "description": "unique in the list",
        },
        "description": {"type": "string"},
        "parameters": {
            "type": "object",
            "properties": {"properties": {"type": "object"}},
            "description": "the JSON schema of the arguments; its properties are in the order of arguments without names",
        },
    },
    "required": ["name"],
    "additionalProperties": False,
}
_ID: Final[dict[str, JsonValue]] = {"type": "string", "pattern": ID}


def _result(name: str, about: dict[str, JsonValue]) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = {"id": _ID, name: about}
    return {"type": "object", "properties": fields, "required": ["id", name], "additionalProperties": False}


Tools = Annotated[
    list[Any],
    Field(
        default_factory=list,
        description=f'a list of at most {MAX_TOOLS} tools, each an object {{"name", "description", "parameters"}}',
        json_schema_extra={"items": _TOOL, "maxItems": MAX_TOOLS},
    ),
]
Results = Annotated[
    list[Any],
    Field(
        description='a list of objects {"id", "output"} or {"id", "error"}',
        json_schema_extra={"items": {"oneOf": [_result("output", {}), _result("error", {"type": "string"})]}},
    ),
]

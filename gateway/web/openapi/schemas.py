"""Short forms of the JSON schemas in the API description. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.core.model import Json

Schema = dict[str, Json]

TEXT: Schema = {"type": "string"}
NO_TEXT: Schema = {"type": ["string", "null"]}
FLAG: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
NO_WHOLE: Schema = {"type": ["integer", "null"]}
ANY: Schema = {"type": "object"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
NO_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}


def ref(name: str) -> Schema:
    """The schema called *name*."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(name: str) -> Schema:
    """The schema called *name*, or null."""
    return {"oneOf": [ref(name), {"type": "null"}]}


def array(of: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": of}


def one_of(values: Sequence[Json]) -> Schema:
    """One of *values*."""
    return {"enum": list(values)}


def mapping(to: Schema) -> Schema:
    """An object with any names, whose values all have the schema *to*."""
    return {"type": "object", "additionalProperties": to}


def text(pattern: str, **more: Json) -> Schema:
    """Text that matches *pattern*."""
    return {"type": "string", "pattern": pattern, **more}


def described(schema: Schema, description: str) -> Schema:
    """*schema* with a description."""
    return {**schema, "description": description}


def struct(fields: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object that has *fields*, and may have those in *optional*."""
    return {"type": "object", "required": [*fields], "properties": {**fields, **(optional or {})}}


def properties_of(schema: Schema) -> Mapping[str, Json]:
    """The fields of the object *schema*."""
    found = schema["properties"]
    assert isinstance(found, Mapping), "it is an object's"
    return found

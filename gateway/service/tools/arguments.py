"""The arguments of tools: the form that models read, and the check whose refusal they can correct themselves by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, ValidationError

from gateway.core.errors import BadRequest
from gateway.core.model import Json

SESSION_CHARS = 64
PATH_CHARS = 1024
NEW = "new"
"""The session of a call that is to begin one."""
_SHOWN_CHARS = 60
_UNSAID = ("title", "default", "minLength", "maxLength", "minimum", "additionalProperties")
"""What a model need not read of a schema: the error says it where it matters."""
_BOUNDS: Mapping[str, str] = {"minimum": "at least {}", "maxLength": "at most {} characters"}

Session = Annotated[str, Field(description="id of a session whose state goes on, or 'new'", max_length=SESSION_CHARS)]
OwnSession = Annotated[str, Field(description="id of the session", min_length=1, max_length=SESSION_CHARS)]
Timeout = Annotated[float, Field(description="milliseconds", ge=1)]


class Arguments(BaseModel):
    """The base of all arguments: JSON types are not converted, and unknown names are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PythonArguments(Arguments):
    """Python to run."""

    code: Annotated[str, Field(min_length=1)]
    session: Session = ""
    timeout: Timeout = 0.0


class JavascriptArguments(Arguments):
    """JavaScript to run."""

    code: Annotated[str, Field(min_length=1)]
    session: Session = ""
    timeout: Timeout = 0.0


class ChartArguments(Arguments):
    """Plotting code."""

    code: Annotated[str, Field(min_length=1)]
    session: Session = ""
    timeout: Timeout = 0.0


class AnalyzeArguments(Arguments):
    """A table, and what to find out about it."""

    # What rows and columns hold is for tables.read, which stops at the first fault: pydantic would list a million.
    data: Annotated[
        list[SkipValidation[dict[str, Any]]] | dict[str, SkipValidation[list[Any]]] | str,
        Field(description="rows as objects, columns as arrays, or CSV or JSON text"),
    ]
    analysisType: Literal["summary", "correlation", "stats"] = "summary"  # noqa: N815  # the API's own name


class FilesArguments(Arguments):
    """What to do with the files of a session."""

    session: OwnSession
    action: Literal["list", "read", "write"]
    path: Annotated[str, Field(description="file to read or write", max_length=PATH_CHARS)] = ""
    text: Annotated[str, Field(description="what to write")] = ""


class VariablesArguments(Arguments):
    """Whose variables to list."""

    session: OwnSession


A = TypeVar("A", bound=Arguments)


def check(kind: type[A], given: Mapping[str, Json]) -> A:
    """The arguments *given* as *kind*; raises BadRequest with a sentence that a model can mend its call by.

    null is as good as absent: models that have to give every argument send it.
    """
    present = {name: value for name, value in given.items() if value is not None}
    unknown = next((name for name in present if name not in kind.model_fields), None)
    if unknown is not None:
        raise BadRequest(f"There is no argument {_show(unknown)}; {_takes(kind)}")
    try:
        return kind.model_validate(present)
    except ValidationError as error:
        flaw = error.errors(include_url=False, include_context=False)[0]
    name = str(flaw["loc"][0])
    if flaw["type"] == "missing":
        raise BadRequest(f"The argument {name} is missing; {_takes(kind)}") from None
    if flaw["type"] == "string_too_short":
        raise BadRequest(f"{name} is empty; {_takes(kind)}") from None
    raise BadRequest(f"{name} must be {_rule(kind, name)}, not {_show(flaw['input'])}; {_takes(kind)}") from None


def _takes(kind: type[Arguments]) -> str:
    names = (name if field.is_required() else f"{name} (optional)" for name, field in kind.model_fields.items())
    return f"the arguments are {', '.join(names)}."


def _rule(kind: type[Arguments], name: str) -> str:
    """What the argument *name* must be, from its schema."""
    schema = kind.model_json_schema()["properties"][name]
    if "enum" in schema:
        return "one of " + ", ".join(map(repr, schema["enum"]))
    kinds = [part.get("type", "") for part in schema.get("anyOf", [schema])]
    alternatives = " or ".join(f"{'an' if one[:1] in 'ao' else 'a'} {one}" for one in kinds)
    bounds = [words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema]
    return f"{alternatives} ({', '.join(bounds)})" if bounds else alternatives


def _show(value: object) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def parameters(kind: type[Arguments]) -> dict[str, Any]:
    """The JSON schema of *kind* as models read it: without what they know, as each word costs tokens."""
    schema = kind.model_json_schema()
    return {
        "type": "object",
        "properties": {name: _slim(part) for name, part in schema["properties"].items()},
        "required": schema.get("required", []),
        "additionalProperties": False,
    }


def _slim(schema: Mapping[str, Any]) -> dict[str, Any]:
    slim = {key: value for key, value in schema.items() if key not in _UNSAID}
    if "anyOf" in slim:
        slim["anyOf"] = [_slim(part) for part in slim["anyOf"]]
    if isinstance(slim.get("items"), Mapping):
        slim["items"] = _slim(slim["items"])
    return slim

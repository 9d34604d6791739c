"""Tools of a client that the code of a run may call: their definitions, the calls, and the client's answers."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

import orjson

from gateway.core.errors import BadRequest

MAX_TOOLS: Final = 100
NAME: Final = r"^[A-Za-z][A-Za-z0-9_]{0,63}$"
"""A name that Python and JavaScript both take after a dot; Python's keywords are refused beside it."""
KEYWORDS: Final = tuple(keyword.kwlist)
ERROR: Final = "ToolError"
"""What code finds under the tools beside these: no tool may hide it."""
ID: Final = r"^[A-Za-z0-9_-]{1,64}$"
SHOWN_CHARS: Final = 40
_NAME: Final = re.compile(NAME)
_ID: Final = re.compile(ID)
_FIELDS: Final = ("name", "description", "parameters")


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What the calls of one run may take: how many, how much JSON in inputs and results, and how long all may wait."""

    calls: int = 500
    total_bytes: int = 16 * 1024 * 1024
    wait_s: float = 300.0


@dataclass(frozen=True, slots=True)
class HostTool:
    """A function of the client's. *order* names its parameters in the order in which code may give them without names."""

    name: str
    description: str = ""
    order: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """It as kernels read it."""
        return {"name": self.name, "description": self.description, "order": list(self.order)}


@dataclass(frozen=True, slots=True)
class HostCall:
    """The code of a run called a tool and waits. *given* are the arguments by name, of *size_bytes* as JSON."""

    call_id: str
    name: str
    given: Mapping[str, Any]
    size_bytes: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """What a call comes to; *content* is the JSON that the kernel gets: the id, and either *output* or *error*."""

    call_id: str
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, call_id: str, **said: Any) -> HostAnswer:
        """The answer that says *output* or *error*."""
        return cls(call_id, orjson.dumps({"id": call_id, **said}))


def is_call_id(value: object) -> TypeGuard[str]:
    """Whether *value* can be the id of a call."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def read_tools(rows: Sequence[object]) -> tuple[HostTool, ...]:
    """The tools in the field ``tools`` of a request; raises BadRequest, which names the field."""
    if len(rows) > MAX_TOOLS:
        raise BadRequest(f"tools has more than {MAX_TOOLS} tools.")
    tools = tuple(_read_tool(f"tools[{number}]", row) for number, row in enumerate(rows))
    seen: set[str] = set()
    for number, tool in enumerate(tools):
        if tool.name in seen:
            raise BadRequest(f"tools[{number}].name is {tool.name!r}, which is the name of an earlier tool.")
        seen.add(tool.name)
    return tools


def _read_tool(place: str, row: object) -> HostTool:
    if not isinstance(row, dict):
        raise BadRequest(f'{place} must be an object {{"name", "description", "parameters"}}, the last two optional.')
    for name in row:
        if name not in _FIELDS:
            raise BadRequest(f"{place} has the unknown field {name[:SHOWN_CHARS]!r}; allowed are: {', '.join(_FIELDS)}.")
    description = row.get("description", "")
    if not isinstance(description, str):
        raise BadRequest(f"{place}.description must be a string.")
    return HostTool(_read_name(place, row.get("name")), description, _read_order(place, row.get("parameters", {})))


def _read_name(place: str, name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = f", not {name[:SHOWN_CHARS]!r}" if isinstance(name, str) else ""
        raise BadRequest(f"{place}.name must be a letter, then at most 63 letters, digits and underscores{shown}.")
    if name == ERROR:
        raise BadRequest(f"{place}.name is {name!r}, the error that code gets from tools.")
    if name in KEYWORDS:
        raise BadRequest(f"{place}.name is {name!r}, a keyword of Python, which code can't call.")
    return name


def _read_order(place: str, parameters: object) -> tuple[str, ...]:
    """The names of the parameters, in the order of the schema's properties."""
    if not isinstance(parameters, dict):
        raise BadRequest(f"{place}.parameters must be an object: the JSON schema of the arguments.")
    properties = parameters.get("properties", {})
    if not isinstance(properties, dict):
        raise BadRequest(f"{place}.parameters.properties must be an object.")
    return tuple(properties)


def read_answers(rows: Sequence[object], most: int) -> tuple[HostAnswer, ...]:
    """The answers in the field ``results`` of a request; raises BadRequest, which names the field.

    A list of more than *most*, the calls that a run can make, is refused before any of it is read.
    """
    if len(rows) > most:
        raise BadRequest(f"results has {len(rows)} results: a run can make {most} calls.")
    return tuple(read_answer(f"results[{number}]", row) for number, row in enumerate(rows))


def read_answer(place: str, row: object) -> HostAnswer:
    """One answer, ``{"id", "output"}`` or ``{"id", "error"}``; raises BadRequest."""
    is_whole = isinstance(row, dict) and len(row) == 2 and "id" in row and ("output" in row or "error" in row)
    if not isinstance(row, dict) or not is_whole:
        raise BadRequest(f'{place} must be an object {{"id", "output"}} or {{"id", "error"}}.')
    call_id = row["id"]
    if not is_call_id(call_id):
        raise BadRequest(f"{place}.id must be the id of a call that waits.")
    if "output" in row:
        return HostAnswer.of(call_id, output=row["output"])
    if not isinstance(row["error"], str):
        raise BadRequest(f"{place}.error must be a string: the message that the code gets.")
    return HostAnswer.of(call_id, error=row["error"])

"""Which tools a model gets, and who carries its calls out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from omega_client.host_tools import HostTool
from omega_client.llm.dialect import Dialect, define_again

Handler = Callable[..., Any]
Given = Union[str, Mapping[str, Any], HostTool]
"""A tool as the caller gives it: a name of the gateway's, a definition, or a function with `@tool`."""


@dataclass(frozen=True)
class Bench:
    """The definitions for a model, and the handler of each name."""

    definitions: Sequence[Mapping[str, Any]]
    handlers: Mapping[str, Handler]


def names_in(tools: Sequence[Given]) -> list[str]:
    """The tools that were given by name alone."""
    if isinstance(tools, (str, Mapping)):
        raise TypeError("tools must be a list of names or definitions")
    return [one for one in tools if isinstance(one, str)]


def definitions_in(
    dialect: Dialect, tools: Sequence[Given], named: Mapping[str, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The definition of each of *tools* as the API wants it; *named* has those of names."""
    found: list[Mapping[str, Any]] = []
    for one in tools:
        if isinstance(one, HostTool):
            found.append(dialect.define(one.name, one.description, one.parameters))
        elif isinstance(one, str):
            found.append(named[one])
        elif isinstance(one, Mapping):
            inner = one.get("functionDeclarations")
            found += [define_again(each, dialect) for each in (inner if isinstance(inner, list) else [one])]
        else:
            raise TypeError(f"A tool must be a name, a definition or a function with @tool, not {type(one).__name__}")
    return found


def own_handlers(tools: Sequence[Given], handlers: Mapping[str, Handler] | None) -> dict[str, Handler]:
    """What the caller brings: functions with `@tool`, and *handlers*, which are called with one mapping."""
    own = {one.name: by_name(one) for one in tools if isinstance(one, HostTool)}
    given = {name: by_name(one) if isinstance(one, HostTool) else one for name, one in (handlers or {}).items()}
    return {**own, **given}


def needs_gateway(tools: Sequence[Given], handlers: Mapping[str, Handler] | None) -> bool:
    """Whether a tool is given by name alone, or a definition is of one of the gateway's and brings no handler."""
    names = [name for one in tools if isinstance(one, Mapping) for name in _names(one)]
    return bool(names_in(tools)) or any(name.startswith("code_") and name not in (handlers or {}) for name in names)


def _names(definition: Mapping[str, Any]) -> list[str]:
    inner = definition.get("functionDeclarations") or [definition.get("function", definition)]
    return [str(one.get("name") or "") for one in inner if isinstance(one, Mapping)]


def by_name(tool: HostTool) -> Handler:
    """A handler that calls *tool* with the arguments by their names."""
    return lambda arguments: tool.function(**arguments)


def without_handler(dialect: Dialect, definitions: Sequence[Mapping[str, Any]], own: Mapping[str, Handler]) -> list[str]:
    """The tools that nobody carries out so far."""
    names = [dialect.name_of(one) for one in definitions]
    return [name for name in names if name and name not in own]


def bench(dialect: Dialect, definitions: Sequence[Mapping[str, Any]], handlers: Mapping[str, Handler]) -> Bench:
    """All of it. Only what is defined can be called. Raises ValueError for one without a handler, and for a name twice."""
    if missing := without_handler(dialect, definitions, handlers):
        raise ValueError(f"There is no handler for {', '.join(missing)}")
    names = [name for name in map(dialect.name_of, definitions) if name]
    if len(set(names)) < len(names):
        raise ValueError(f"Each tool needs a name of its own: {', '.join(names)}")
    return Bench(definitions, {name: handlers[name] for name in names})

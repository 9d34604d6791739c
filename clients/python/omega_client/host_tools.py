"""Tools of the caller's that code in a kernel can call: `@tool` makes them, `calling` carries a run with them out. Pure."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import keyword
import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union, cast, overload

from omega_client import wire
from omega_client.bringing import bringing, clean, clean_json
from omega_client.errors import OmegaError
from omega_client.schema import description_of, parameters_of

ROUNDS = 10_000
"""More than a gateway allows."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True)
class HostTool:
    """A function of the caller's, and what code may know of it. It can still be called as before."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    function: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.function(*args, **kwargs)

    @property
    def is_async(self) -> bool:
        """Whether its answer has to be awaited."""
        return inspect.iscoroutinefunction(self.function)

    def definition(self) -> dict[str, Any]:
        """What the gateway is told."""
        return {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}


Tools = Sequence[Union[HostTool, Callable[..., Any]]]
"""As the caller gives them."""


@overload
def tool(function: Callable[..., Any]) -> HostTool: ...


@overload
def tool(
    *, name: str = "", description: str = "", parameters: Mapping[str, Any] | None = None
) -> Callable[[Callable[..., Any]], HostTool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    *,
    name: str = "",
    description: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> HostTool | Callable[[Callable[..., Any]], HostTool]:
    """A tool made of a function: name, description and parameters come from its signature and docstring.

    As `@tool`, or with other names as `@tool(name="query")`. Raises ValueError for a name that code can't use.
    """

    def make(made_of: Callable[..., Any]) -> HostTool:
        return HostTool(
            checked_name(name or made_of.__name__),
            description or description_of(made_of),
            parameters_of(made_of) if parameters is None else dict(parameters),
            made_of,
        )

    return make if function is None else make(function)


def checked_name(name: str) -> str:
    """*name*, if code in both languages can use it. Raises ValueError."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ValueError(
            f"{name!r} can't be the name of a tool: it has to be at most 64 letters, digits and underscores, begin with a "
            "letter, and be no keyword"
        )
    return name


@dataclass(frozen=True)
class HostCall:
    """One use of a tool by code."""

    id: str
    name: str
    input: Mapping[str, Any]


def read_call(fields: Mapping[str, Any]) -> HostCall:
    """The call in an answer or event."""
    with wire.reading():
        return HostCall(str(fields["id"]), str(fields["name"]), dict(fields.get("input") or {}))


class HostTools:
    """The tools of one run."""

    def __init__(self, tools: Iterable[HostTool | Callable[..., Any]], *, may_await: bool = False) -> None:
        made = [one if isinstance(one, HostTool) else tool(one) for one in listed(tools)]
        self._tools = {one.name: one for one in made}
        if len(self._tools) < len(made):
            raise ValueError(f"Each tool needs a name of its own: {', '.join(one.name for one in made)}")
        waiting = [one.name for one in made if one.is_async and not may_await]
        if waiting:
            raise TypeError(f"{', '.join(waiting)}: async functions are tools for AsyncClient")

    def fields(self) -> dict[str, Any]:
        """What the body of a run says of them."""
        return {"tools": [one.definition() for one in self._tools.values()]} if self._tools else {}

    def answer(self, call: HostCall) -> dict[str, Any]:
        """The result of *call*: an exception of the tool is an error that the code can catch."""
        begun = self._begin(call)
        return result_of(call, begun.awaited) if begun.result is None else begun.result

    async def answer_async(self, call: HostCall) -> dict[str, Any]:
        """The same, for tools that may have to be awaited. Others work in threads: they would hold up the loop."""
        known = self._tools.get(call.name)
        is_async = known is not None and known.is_async
        begun = self._begin(call) if is_async else await asyncio.to_thread(self._begin, call)
        if begun.result is not None:
            return begun.result
        try:
            return result_of(call, await begun.awaited)
        except Exception as error:  # noqa: BLE001  # whatever a tool raises is the code's to handle
            return failure_of(call, error)

    def _begin(self, call: HostCall) -> Begun:
        """Raises nothing that a tool raises: threads can't pass on every exception."""
        try:
            given = self._tools[call.name](**call.input)
        except Exception as error:  # noqa: BLE001  # whatever a tool raises is the code's to handle
            return Begun(failure_of(call, error))
        return Begun(None, given) if inspect.isawaitable(given) else Begun(result_of(call, given))


@dataclass(frozen=True)
class Begun:
    """A call's result; or what has to be *awaited* for it."""

    result: dict[str, Any] | None
    awaited: Any = None


def listed(tools: Iterable[HostTool | Callable[..., Any]]) -> list[HostTool | Callable[..., Any]]:
    """*tools*, if they are functions in a list. Raises TypeError."""
    told = "tools must be a list of functions of yours, with or without @tool"
    if isinstance(tools, (str, Mapping)) or not isinstance(tools, Iterable):
        raise TypeError(f"{told}: {tools!r} is no list" if isinstance(tools, str) else f"{told}, not {type(tools).__name__}")
    found = list(tools)
    for one in found:
        if not callable(one):
            raise TypeError(f"{told}: {one!r:.80} is no function")
    return found


def result_of(call: HostCall, output: Any) -> dict[str, Any]:
    """What the gateway is told of a call that gave *output*; an error where that has no form in JSON."""
    try:
        return {"id": call.id, "output": clean_json(json.loads(json.dumps(output, allow_nan=False, default=to_json)))}
    except (TypeError, ValueError, RecursionError) as error:
        return {"id": call.id, "error": clean(f"{call.name} gave something that has no form in JSON: {error}")}


def failure_of(call: HostCall, error: Exception) -> dict[str, Any]:
    """What the gateway is told of a call that raised *error*."""
    return {"id": call.id, "error": clean(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)}


def to_json(value: Any) -> Any:
    """A form in JSON for values that have an obvious one: dataclasses, dates, arrays and numbers of numpy."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    for name in ("isoformat", "tolist"):
        method = getattr(value, name, None)
        if callable(method):
            return method()
    raise TypeError(f"{type(value).__name__} is not a type of JSON")


@dataclass(frozen=True)
class Calls:
    """Calls that a run waits for, and where their results go."""

    continuation: str
    calls: Sequence[HostCall]
    work_s: float

    def give_up(self) -> wire.Request:
        """The request that says that there will be none."""
        results = [{"id": call.id, "error": "The host gave up before it answered."} for call in self.calls]
        return wire.post(self.continuation, {"results": results}, self.work_s)


Step = Union[wire.Request, Calls]
Steps = Generator[Step, Any, Mapping[str, Any]]


def calling(request: wire.Request) -> Steps:
    """Carry out the run of *request*, and return its final answer.

    It yields a request, to be told the document that was answered, or calls, to be told their results. Errors of a request
    are thrown into it.
    """
    answer = yield request
    for _ in range(ROUNDS):
        waiting = read_calls(answer, request.work_s)
        if waiting is None:
            return cast(Mapping[str, Any], answer)
        results = yield waiting
        answer = yield from bringing(waiting.continuation, results, waiting.work_s)
    raise OmegaError(f"The run has asked for calls of its tools more than {ROUNDS:,} times.")


def read_calls(answer: Any, work_s: float) -> Calls | None:
    """The calls that *answer* asks for, None if it is the run's own."""
    with wire.reading():
        if answer.get("status") != "tool_call_required":
            return None
        return Calls(_own(answer["continuation"]), [read_call(one) for one in answer["toolCalls"]], work_s)


def _own(path: str) -> str:
    if not path.startswith("/") or path.startswith("//"):
        raise OmegaError(f"The gateway names an address that is none of its own: {path[:80]!r}")
    return path

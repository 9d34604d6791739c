"""What an API of a model has to tell the loop. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from omega_client import wire
from omega_client.errors import ConnectionFailed, ModelError
from omega_client.registry import ToolResult
from omega_client.results import Chart

VISIBLE = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Pictures that models can look at."""
NOTHING = "(no output)"
"""Some APIs refuse an empty text."""
MOST_LEVELS = 200
NESTED = "The arguments are no JSON that can be read: they are nested too deep."
CUT = "The answer reached its limit of tokens before this call was complete: make it shorter."


@dataclass(frozen=True)
class Call:
    """A call that a model makes. *text* is its arguments as they came; *problem* says why they are none, if so."""

    id: str
    name: str
    text: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Turn:
    """One answer of a model: *items* are what the conversation goes on with.

    *stop* is why it ended, in the words of the API. *is_cut*: it has reached a limit of tokens. *goes_on*: the model wants
    to be asked again, without an answer from here.
    """

    text: str
    calls: tuple[Call, ...]
    items: tuple[Any, ...]
    stop: str
    is_cut: bool = False
    goes_on: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a call."""

    call: Call
    result: ToolResult


@dataclass(frozen=True)
class Asked:
    """One request to a model."""

    model: str
    messages: Sequence[Any]
    tools: Sequence[Mapping[str, Any]]
    may_call: bool
    streams: bool
    options: Mapping[str, Any]


@dataclass(frozen=True)
class ModelEvent:
    """What happens while a model answers.

    `text`: a piece of its text is in *text*. `arguments`: a piece of the arguments of a call of *name*. `call`: *call* is
    complete and is carried out now. `result`: it gave *result*.
    """

    type: Literal["text", "arguments", "call", "result"]
    text: str = ""
    name: str = ""
    call: Call | None = None
    result: ToolResult | None = None


class Assembler(Protocol):
    """Makes one answer of the events of a stream."""

    def feed(self, event: Mapping[str, Any]) -> list[ModelEvent]:
        """What *event* tells. Raises ModelError."""

    def answer(self) -> Mapping[str, Any]:
        """The answer as it would have come at once. Raises ConnectionFailed if its end is missing."""


class Dialect(Protocol):
    """An API."""

    name: str
    url: str
    url_variable: str
    key_variables: tuple[str, ...]

    def headers(self, key: str) -> dict[str, str]:
        """The headers that carry the key, and what else each request needs."""

    def path(self, asked: Asked, prefix: str) -> str:
        """Where the request goes, below a base URL with this path."""

    def begin(self, messages: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Messages in the form of the API, and fields of the body that they come to."""

    def name_of(self, definition: Mapping[str, Any]) -> str:
        """The name of a tool that is defined as the API wants it; "" for other definitions."""

    def define(self, name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The definition of a tool."""

    def body(self, asked: Asked) -> dict[str, Any]:
        """The body of a request."""

    def read(self, answer: Mapping[str, Any]) -> Turn:
        """The turn in an answer."""

    def results(self, outcomes: Sequence[Outcome], model: str) -> list[Any]:
        """What the conversation goes on with after calls."""

    def assembler(self) -> Assembler:
        """For a stream."""


def is_of_system(message: Any) -> bool:
    """Whether *message* is one that some APIs take apart from the conversation."""
    return isinstance(message, Mapping) and message.get("role") == "system"


def parse_call(about: str, name: str, arguments: Any, *, is_cut: bool = False) -> Call:
    """The call, with its arguments or what is wrong with them. *is_cut*: it may be incomplete."""
    try:
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    except RecursionError:
        return Call(about, name, "", {}, NESTED)
    if is_cut:
        return Call(about, name, text, {}, CUT)
    found = arguments
    if isinstance(arguments, str):
        try:
            found = parse_arguments(arguments)
        except ValueError as error:
            return Call(about, name, text, {}, f"The arguments are no JSON: {error}. They were: {text[:200]}")
    if not isinstance(found, dict):
        return Call(about, name, text, {}, f"The arguments must be an object. They were: {text[:200]}")
    return Call(about, name, text, found)


def parse_arguments(text: str) -> Any:
    """What the JSON *text* says. Raises ValueError, also for what could not be sent back, as it is nested too deep."""
    try:
        found = json.loads(text or "{}")
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    level = [found]
    for _ in range(MOST_LEVELS):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return found
    raise ValueError("it is nested too deep")


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def parse_calls(found: Sequence[tuple[str, str, Any]], *, is_cut: bool) -> tuple[Call, ...]:
    """The calls with these ids, names and arguments; of an answer that was cut, the last one is incomplete."""
    last = len(found) - 1
    return tuple(parse_call(*one, is_cut=is_cut and at == last) for at, one in enumerate(found))


def visible(result: ToolResult) -> list[Chart]:
    """The pictures of a result that models can look at."""
    return [image for image in result.images if image.mime_type in VISIBLE]


def text_of(result: ToolResult, left_out: int = 0) -> str:
    """The text of a result, never empty; it says how many pictures the model does not get to see."""
    left_out += len(result.images) - len(visible(result))
    note = f"[{left_out} picture{'s' if left_out > 1 else ''} that you can't see.]" if left_out else ""
    return "\n".join(part for part in (result.text, note) if part) or NOTHING


def without_nulls(item: Any) -> Any:
    """*item* without the fields that are null: SDKs fill in what APIs do not take back."""
    if isinstance(item, Mapping):
        return {name: without_nulls(value) for name, value in item.items() if value is not None}
    return [without_nulls(one) for one in item] if isinstance(item, list) else item


@contextmanager
def hearing() -> Iterator[None]:
    """For reading what a model sent: what is not in the form of its API is ModelError, which says what was wrong with it."""
    try:
        yield
    except wire.NOT_AS_DOCUMENTED as error:
        told = f"{type(error).__name__}: {error}"[:200]
        raise ModelError(f"The model's answer is not in the form of its API: {told}") from error


class Guarded:
    """An assembler whose errors are those of this library."""

    def __init__(self, inner: Assembler) -> None:
        self._inner = inner

    def feed(self, event: Mapping[str, Any]) -> list[ModelEvent]:
        """What *event* tells. Raises ModelError."""
        with hearing():
            return self._inner.feed(event)

    def answer(self) -> Mapping[str, Any]:
        """The answer as it would have come at once. Raises ModelError and ConnectionFailed."""
        with hearing():
            return self._inner.answer()


def broke_off() -> ConnectionFailed:
    """What a stream without its end comes to."""
    return ConnectionFailed("The model's answer broke off before its end.")


def define_again(definition: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """*definition* as *dialect* wants it, whichever of the known forms it has; as it is if it has none of them."""
    if dialect.name_of(definition):
        return dict(definition)
    inner = definition.get("function", definition)
    name = inner.get("name") if isinstance(inner, Mapping) else None
    keys = ("parameters", "input_schema", "parametersJsonSchema", "inputSchema")
    schema = next((inner[key] for key in keys if isinstance(inner.get(key), Mapping)), None) if name else None
    if not name or schema is None:
        return dict(definition)
    return dialect.define(str(name), str(inner.get("description") or ""), schema)

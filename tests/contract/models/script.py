"""What a scripted model says turn by turn, and what it reads in a request. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
PIECE = 5
"""How many characters a piece of a stream has: few, so that words and escapes are cut."""


class Refused(Exception):
    """The request is not as the API wants it; the text is what the API says."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the model makes: *arguments* is an object, or text that is sent as it is, broken or not."""

    name: str
    arguments: Any = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The arguments as text."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the model.

    *echoes*: the text is what the model has read of the last tools' answers, as JSON. *thinks*: a thought comes first, which
    the client has to send back. *is_stubborn*: calls are made even where the request forbids them. *is_cut*: the answer has
    reached the limit of tokens. *status*: the request is refused with it, with *message* and *headers*. *fails*: the stream
    ends with an error; *breaks*: its connection is closed in the middle.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    echoes: bool = False
    thinks: bool = False
    is_stubborn: bool = False
    is_cut: bool = False
    status: int = 200
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    fails: bool = False
    breaks: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model has read as the answer to one of its calls; *images* are MIME types."""

    id: str
    text: str
    images: tuple[str, ...] = ()
    is_error: bool | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What a request says: the answers to the last calls, whether the model may call, and the names of its tools."""

    answers: tuple[Answer, ...]
    may_call: bool
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Saying:
    """What the model says now, ready to be written in the form of an API: *number* is the request's, from 0."""

    number: int
    model: str
    text: str
    calls: tuple[Call, ...]
    thinks: bool
    is_cut: bool

    def id_of(self, position: int) -> str:
        """The id of a call."""
        return f"call_{self.number}_{position}"


def parse(turns: Iterable[Mapping[str, Any]]) -> tuple[Turn, ...]:
    """The script that a test has sent. Raises TypeError for a field that does not exist."""
    return tuple(
        Turn(**{**turn, "calls": tuple(Call(**call) for call in turn.get("calls", ()))})  # one turn
        for turn in turns
    )


def saying(turn: Turn, heard: Heard, number: int, model: str) -> Saying:
    """What *turn* comes to after what was *heard*: a model that may not call says so."""
    text = json.dumps([_shown(answer) for answer in heard.answers]) if turn.echoes else turn.text
    if turn.calls and not heard.may_call and not turn.is_stubborn:
        return Saying(number, model, "I may not call tools any more.", (), turn.thinks, turn.is_cut)
    return Saying(number, model, text, turn.calls, turn.thinks, turn.is_cut)


def _shown(answer: Answer) -> dict[str, Any]:
    return {"id": answer.id, "text": answer.text, "images": list(answer.images), "is_error": answer.is_error}


def pieces(text: str) -> list[str]:
    """*text* as a stream brings it."""
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def names_of(tools: object, name: Any) -> tuple[str, ...]:
    """The names that *name* finds in each of *tools*, checked as APIs check them."""
    if tools is None:
        return ()
    if not isinstance(tools, Sequence) or not tools:
        raise Refused("Invalid 'tools': expected an array with at least one item.")
    found = tuple(name(tool) for tool in tools)
    for one in found:
        if not isinstance(one, str) or not NAME.fullmatch(one):
            raise Refused(f"Invalid 'tools': the name {one!r} does not match the pattern.")
    if len(set(found)) < len(found):
        raise Refused("Invalid 'tools': tool names must be unique.")
    return found


def text_of(parts: object, where: str) -> str:
    """The text of *parts*: text, or parts of that type."""
    if isinstance(parts, str):
        return parts
    if not isinstance(parts, list) or any(part.get("type") != "text" for part in parts):
        raise Refused(f"Invalid '{where}': expected text, or parts of the type text.")
    return "".join(part.get("text", "") for part in parts)

"""The messages of clients on a stream, parsed into typed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson

from gateway.core.errors import BadRequest
from gateway.core.host_tools import HostAnswer, read_answer
from gateway.core.json_limits import REQUEST_DEPTH, RESULTS_DEPTH
from gateway.core.model import Json
from gateway.core.request import RunRequest
from gateway.core.strict_json import is_deeper
from gateway.web.api import run_bodies
from gateway.web.caller_limits import CallerLimits
from gateway.web.edge.body import parse_object

MAX_ID_CHARS = 128
RUN_ID_CHARS = 64
TASKS: Final = ("python", "javascript", "chart", "analyze", "math")
KINDS: Final = ("execute", *TASKS, "tool_result", "interrupt", "resume", "watch")


@dataclass(frozen=True, slots=True)
class Execute:
    """Start a run. *label* is the client's name for it, which the run's events repeat."""

    request: RunRequest
    label: str


@dataclass(frozen=True, slots=True)
class InterruptRun:
    """Interrupt the run *run_id*; empty for the one under way."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Resume:
    """Send the events of the run *run_id* after number *after*."""

    run_id: str
    after: int


@dataclass(frozen=True, slots=True)
class WatchSession:
    """Send the events of all runs of the session after number *after*; None begins with the runs under way."""

    after: int | None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """Hand a run what a tool of the client's came to."""

    answer: HostAnswer


Said = Execute | ToolResult | InterruptRun | Resume | WatchSession


def parse_message(text: str | bytes, terms: CallerLimits, *, language: str = "python", session: str = "") -> Said:
    """The message in *text*; raises BadRequest. A run is in *session* and its *language* unless the message names others."""
    if isinstance(text, bytes):
        raise BadRequest("Send messages as JSON in text frames, not in binary frames.")
    fields = _read(text)
    kind = fields.pop("type", "execute")
    match kind:
        case "interrupt":
            _check_fields(fields, "run")
            return InterruptRun(_text(fields, "run", RUN_ID_CHARS))
        case "tool_result":
            return ToolResult(read_answer("The message", fields))
        case "resume":
            _check_fields(fields, "run", "after")
            return parse_resume(_text(fields, "run", RUN_ID_CHARS), fields.get("after", 0))
        case "watch":
            _check_fields(fields, "after")
            if not session:
                raise BadRequest("Watch on the stream of a session, sessions/{id}/stream: this one is for one run.")
            return parse_watch(fields.get("after"))
        case str() if kind in KINDS:
            return _parse_execute(fields, kind, terms, language, session)
    raise BadRequest(f"type must be one of {', '.join(KINDS)}, not {run_bodies.show(kind)}.")


def _read(text: str) -> dict[str, Json]:
    """The object in *text*. A result of a tool may be deeper than other messages."""
    data = text.encode()
    try:
        fields = parse_object(data, RESULTS_DEPTH)
    except BadRequest as error:
        raise BadRequest(error.message.replace("The body", "The message", 1)) from None
    if fields.get("type") != "tool_result" and is_deeper(data, REQUEST_DEPTH):
        raise BadRequest(f"The message is nested more than {REQUEST_DEPTH} levels deep.")
    return fields


def parse_resume(run_id: str, after: Json) -> Resume:
    """Where to resume; raises BadRequest."""
    if not run_id:
        raise BadRequest("run is missing: it is the runId of the run's first event.")
    return Resume(run_id, _number("seq", after))


def parse_watch(after: Json) -> WatchSession:
    """Where to begin to watch; raises BadRequest."""
    return WatchSession(None if after is None else _number("at", after))


def _number(name: str, after: Json) -> int:
    if isinstance(after, str) and after.isascii() and after.isdigit() and len(after) < 19:
        after = int(after)
    if isinstance(after, bool) or not isinstance(after, int) or after < 0:
        raise BadRequest(f"after must be the {name} of the last event you have, or 0, not {run_bodies.show(after)}.")
    return after


def _parse_execute(fields: dict[str, Json], kind: str, terms: CallerLimits, language: str, session: str) -> Execute:
    label = _text(fields, "id", MAX_ID_CHARS)
    fields.pop("id", None)
    task = _task(kind, fields.pop("language", None), language)
    if session and fields.setdefault("session", session) != session:
        raise BadRequest("Runs of this connection use its own session: leave out the field session.")
    parse, timeouts = _PARSERS[task], terms.javascript if task == "javascript" else terms.python
    return Execute(parse(orjson.dumps(fields), timeouts), label)


def _task(kind: str, asked: Json, language: str) -> str:
    if asked is None:
        return language if kind == "execute" else kind
    if asked not in ("python", "javascript") or kind not in ("execute", asked):
        raise BadRequest(f"language must be 'python' or 'javascript' and fit the type, not {run_bodies.show(asked)}.")
    return str(asked)


def _text(fields: dict[str, Json], name: str, most: int) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str) or len(value) > most:
        raise BadRequest(f"{name} must be a string of at most {most} characters, not {run_bodies.show(value)}.")
    return value


def _check_fields(fields: dict[str, Json], *allowed: str) -> None:
    for name in fields:
        if name not in allowed:
            raise BadRequest(f"Unknown field {run_bodies.show(name)}; allowed are: type, {', '.join(allowed)}.")


_PARSERS: Final = {
    "python": run_bodies.parse_python,
    "javascript": run_bodies.parse_javascript,
    "chart": run_bodies.parse_chart,
    "analyze": run_bodies.parse_analyze,
    "math": run_bodies.parse_math,
}

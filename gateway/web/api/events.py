"""The events of a run as the JSON objects of streams, numbered from 1. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from gateway.core.charts import is_chart, without_picture
from gateway.core.errors import GatewayError
from gateway.core.event_log import (
    Accepted,
    Done,
    Gap,
    Item,
    LoggedEvent,
    RunRefused,
    RunStarted,
    SessionEnded,
    SessionRestarted,
)
from gateway.core.host_tools import HostCall
from gateway.core.model import Cleared, Display, Finished, Json, KernelReport, Raised, Result, Text
from gateway.core.request import RunRequest
from gateway.web.api.answers import describe_answer, describe_chart, describe_raised
from gateway.web.edge.json_answer import describe_failure

OUTPUT_FIELDS = ("output", "stdout", "stderr", "results", "charts", "chart")
"""The fields of a run's answer that *done* leaves out: the events before it have them."""
_TYPES: Mapping[type[Item], str] = {
    Accepted: "accepted",
    RunStarted: "started",
    Cleared: "clear",
    HostCall: "tool_call",
    Done: "done",
    SessionRestarted: "restarted",
    SessionEnded: "ended",
}


def describe(found: LoggedEvent | Gap, request: RunRequest) -> dict[str, Json]:
    """One event: *type*, *seq* and the fields of its type. The *seq* of a gap is that of the last event it stands for."""
    if isinstance(found, Gap):
        return {"type": "gap", "seq": found.last, "from": found.first, "to": found.last}
    return {"type": type_of(found.item), "seq": found.seq, **_describe_item(found.item, request)}


def type_of(item: Item) -> str:
    """The type of the event for *item*."""
    match item:
        case Text(stream):
            return stream
        case Display(kind=kind):
            return "chart" if is_chart(item) else kind
        case Raised() | RunRefused():
            return "error"
        case KernelReport() | Finished():
            raise AssertionError("these two are told by the end of the run")
        case _:
            return _TYPES[type(item)]


def describe_refusal(error: GatewayError) -> dict[str, Json]:
    """The event for a message that is refused; it belongs to no run and has no number."""
    return {"type": "error", "error": describe_failure(type(error).__name__, error.message, error.code)["error"]}


def _describe_item(item: Item, request: RunRequest) -> dict[str, Json]:
    match item:
        case Accepted(run_id):
            return {"runId": run_id}
        case RunStarted() | KernelReport() | Finished() | SessionRestarted():
            return {}
        case Text(text=text):
            return {"text": text}
        case Display():
            return _describe_display(item, request)
        case Cleared(wait):
            return {"wait": wait}
        case HostCall():
            return describe_call(item)
        case Raised():
            return {"error": describe_raised(item)}
        case Done(result):
            return describe_end(request, result)
        case RunRefused(kind, message, code):
            return {"error": describe_failure(kind, message, code)["error"]}
        case SessionEnded(how, reason):
            return {"how": how, "reason": reason}
        case _ as never:
            assert_never(never)


def describe_call(call: HostCall) -> dict[str, Json]:
    """A call of a tool of the client's."""
    return {"id": call.call_id, "name": call.name, "input": dict(call.given)}


def _describe_display(display: Display, request: RunRequest) -> dict[str, Json]:
    """A display with a picture is a chart. Its other forms are in *data*, without the picture."""
    fields: dict[str, Json] = {"data": without_picture(display)}
    if display.metadata:
        fields["metadata"] = dict(display.metadata)
    if display.display_id:
        fields |= {"displayId": display.display_id, "updates": display.updates}
    return {**describe_chart(display, request.include), **fields} if is_chart(display) else fields


def describe_end(request: RunRequest, result: Result) -> dict[str, Json]:
    """The end of a run: its answer without the outputs, which the events before it have."""
    told = describe_answer(request, result)
    kept = {"output": told["output"]} if result.shown else {}  # the events have its raw text
    return {**{name: value for name, value in told.items() if name not in OUTPUT_FIELDS}, **kept}

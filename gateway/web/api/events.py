"""The events of a run as the JSON objects of streams, numbered from 1. Pure."""

from __future__ import annotations

from typing import assert_never

from gateway.core.charts import chart_type, without_chart_data
from gateway.core.errors import GatewayError
from gateway.core.event_log import Accepted, Done, Gap, Item, LoggedEvent, RunRefused, RunStarted
from gateway.core.model import Cleared, Display, Finished, Json, KernelReport, Raised, Result, Text
from gateway.core.request import RunRequest
from gateway.web.api.answers import describe_answer, describe_chart, describe_raised
from gateway.web.edge.json_answer import describe_failure

OUTPUT_FIELDS = ("output", "stdout", "stderr", "results", "charts", "chart")
"""The fields of a run's answer that *done* leaves out: the events before it have them."""


def describe(found: LoggedEvent | Gap, request: RunRequest) -> dict[str, Json]:
    """One event: *type*, *seq* and the fields of its type. The *seq* of a gap is that of the last event it stands for."""
    if isinstance(found, Gap):
        return {"type": "gap", "seq": found.last, "from": found.first, "to": found.last}
    kind, fields = _describe_item(found.item, request)
    return {"type": kind, "seq": found.seq, **fields}


def describe_refusal(error: GatewayError) -> dict[str, Json]:
    """The event for a message that is refused; it belongs to no run and has no number."""
    return {"type": "error", "error": describe_failure(type(error).__name__, error.message, error.code)["error"]}


def _describe_item(item: Item, request: RunRequest) -> tuple[str, dict[str, Json]]:
    match item:
        case Accepted(run_id):
            return "accepted", {"runId": run_id}
        case RunStarted():
            return "started", {}
        case Text(stream, text):
            return stream, {"text": text}
        case Display():
            return _describe_display(item)
        case Cleared(wait):
            return "clear", {"wait": wait}
        case Raised():
            return "error", {"error": describe_raised(item)}
        case Done(result):
            return "done", describe_end(request, result)
        case RunRefused(kind, message, code):
            return "error", {"error": describe_failure(kind, message, code)["error"]}
        case KernelReport() | Finished():
            raise AssertionError("these two are told by the end of the run")
        case _ as never:
            assert_never(never)


def _describe_display(display: Display) -> tuple[str, dict[str, Json]]:
    """A display with a picture is a chart. Its other forms are in *data*, without the picture."""
    picture, shown = chart_type(display), without_chart_data(display.data)
    fields: dict[str, Json] = {"data": {name: value for name, value in shown.items() if name != picture}}
    if display.metadata:
        fields["metadata"] = dict(display.metadata)
    if display.display_id:
        fields |= {"displayId": display.display_id, "updates": display.updates}
    if picture is None:
        return display.kind, fields
    return "chart", {**describe_chart(display), **fields}


def describe_end(request: RunRequest, result: Result) -> dict[str, Json]:
    """The end of a run: its answer without the outputs, which the events before it have."""
    told = describe_answer(request, result)
    kept = {"output": told["output"]} if result.shown else {}  # the events have its raw text
    return {**{name: value for name, value in told.items() if name not in OUTPUT_FIELDS}, **kept}

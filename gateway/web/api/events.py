"""What happens in a run as the JSON that streams carry: one small object for each thing, numbered from 1. Pure."""

from __future__ import annotations

from typing import assert_never

from gateway.core.charts import chart_type, without_chart_data
from gateway.core.errors import GatewayError
from gateway.core.event_log import Accepted, Done, Entry, Gap, Item, Refused, Started
from gateway.core.model import Cleared, Display, Finished, Json, Raised, Report, Result, Text
from gateway.core.request import RunRequest
from gateway.web.api.answers import describe_answer, describe_chart, describe_raised
from gateway.web.edge.json_answer import describe_failure

OUTPUT_FIELDS = ("output", "stdout", "stderr", "results", "charts", "chart")
"""What a run's answer has beside what *done* tells; all of it came before, as events."""


def describe(found: Entry | Gap, request: RunRequest) -> dict[str, Json]:
    """One event: *type* and *seq*, and what belongs to its type. A gap has the number of the last event it stands for."""
    if isinstance(found, Gap):
        return {"type": "gap", "seq": found.last, "from": found.first, "to": found.last}
    kind, fields = _describe_item(found.item, request)
    return {"type": kind, "seq": found.seq, **fields}


def describe_refusal(error: GatewayError) -> dict[str, Json]:
    """What is said to a message that is not carried out; it is no part of a run and has no number."""
    return {"type": "error", "error": describe_failure(type(error).__name__, error.message, error.code)["error"]}


def _describe_item(item: Item, request: RunRequest) -> tuple[str, dict[str, Json]]:
    match item:
        case Accepted(run_id):
            return "accepted", {"runId": run_id}
        case Started():
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
        case Refused(kind, message, code):
            return "error", {"error": describe_failure(kind, message, code)["error"]}
        case Report() | Finished():
            raise AssertionError("these two are told by the end of the run")
        case _ as never:
            assert_never(never)


def _describe_display(display: Display) -> tuple[str, dict[str, Json]]:
    """A picture is a chart, once; the other forms it has stand beside it."""
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
    """How the run went: its answer without what was shown, which the events before have told."""
    told = describe_answer(request, result)
    return {name: value for name, value in told.items() if name not in OUTPUT_FIELDS}

"""Each thing that happens in a run as one JSON object, and each message of a client as what it asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.chart_data import MIME
from gateway.core.errors import BadRequest, Busy
from gateway.core.event_log import Accepted, Done, Gap, Item, LoggedEvent, RunRefused, RunStarted
from gateway.core.limits import Timeouts
from gateway.core.model import Cleared, Display, Raised, Result, ShownText, Text
from gateway.core.request import Allowance, RunRequest
from gateway.web.api import events
from gateway.web.api.stream_messages import Execute, InterruptRun, Resume, parse_message
from gateway.web.caller_limits import CallerLimits

TERMS = CallerLimits(Timeouts(30.0, 300.0), Timeouts(10.0, 300.0), Allowance())
REQUEST = RunRequest("python", "x", 5.0)
CHART = {"type": "chart", "base64": "aGk=", "mimeType": "image/png"}
UNKNOWN: Any = {"type": "unknown", "title": "t", "elements": []}
ERROR = {"type": "ValueError", "message": "no", "traceback": "Traceback"}


@pytest.mark.parametrize(
    ("item", "event"),
    [
        (Accepted("r1"), {"type": "accepted", "runId": "r1"}),
        (RunStarted(), {"type": "started"}),
        (Text("stderr", "x\n"), {"type": "stderr", "text": "x\n"}),
        (Display("result", {"text/plain": "1"}), {"type": "result", "data": {"text/plain": "1"}}),
        (
            Display("display", {"text/plain": "1"}, {"a": 1}, "d1", True),
            {"type": "display", "data": {"text/plain": "1"}, "metadata": {"a": 1}, "displayId": "d1", "updates": True},
        ),
        (
            Display("display", {"image/png": "aGk=\n", "text/plain": "<Figure>"}),
            {**CHART, "chartData": None, "data": {"text/plain": "<Figure>"}},
        ),
        (
            Display("display", {"image/png": "aGk=", MIME: UNKNOWN}),
            {**CHART, "chartData": UNKNOWN, "data": {}},
        ),
        (Cleared(True), {"type": "clear", "wait": True}),
        (Raised("ValueError", "no", "Traceback"), {"type": "error", "error": ERROR}),
        (
            RunRefused("Busy", "Full.", "busy"),
            {"type": "error", "error": {"type": "Busy", "message": "Full.", "code": "busy", "traceback": None}},
        ),
    ],
)
def test_everything_has_its_own_type(item: Item, event: dict[str, object]) -> None:
    """With its number, and nothing that stands elsewhere already."""
    assert events.describe(LoggedEvent(7, item), REQUEST) == {**event, "seq": 7}


def test_a_chart_is_sent_once_unless_its_text_is_asked_for() -> None:
    """An SVG is base64 like other pictures, and text for a client that includes it."""
    item = LoggedEvent(7, Display("display", {"image/svg+xml": "<svg/>", "text/plain": "<Figure>"}))
    chart = {"type": "chart", "seq": 7, "base64": "PHN2Zy8+", "mimeType": "image/svg+xml", "chartData": None}
    told = {**chart, "data": {"text/plain": "<Figure>"}}
    assert events.describe(item, REQUEST) == told
    asked = RunRequest("python", "x", 5.0, include=frozenset({"svg"}))
    assert events.describe(item, asked) == {**told, "svg": "<svg/>"}


def test_the_last_event_is_the_answer_without_what_was_shown() -> None:
    """A client that missed nothing has every field that the HTTP answer has."""
    result = Result(False, "a", "a", "", Raised("ValueError", "no", "Traceback"), 1, 0.25, execution_count=3)
    done = events.describe(LoggedEvent(9, Done(result)), RunRequest("python", "x", 5.0, session="s1"))
    assert done == {
        "type": "done",
        "seq": 9,
        "success": False,
        "error": ERROR,
        "variables": {},
        "executionTime": 250,
        "exitCode": 1,
        "truncated": False,
        "limits": [],
        "usage": {"cpuTime": 0, "wallTime": 250, "peakMemory": 0},
        "kernelReplaced": False,
        "files": [],
        "filesTruncated": False,
        "sessionId": "s1",
        "executionCount": 3,
    }


def test_text_as_a_terminal_shows_it_comes_with_the_last_event() -> None:
    """The events before it have the raw text only."""
    result = Result(True, "", "", "", None, 0, 0.25, shown=ShownText("b", "b", ""))
    done = events.describe(LoggedEvent(9, Done(result)), RunRequest("python", "x", 5.0, text="terminal"))
    assert (done["output"], "stdout" in done) == ("b", False)


def test_a_gap_says_which_events_are_missing() -> None:
    """Its own number is the last of them, so that a client goes on from there."""
    assert events.describe(Gap(3, 8), REQUEST) == {"type": "gap", "seq": 8, "from": 3, "to": 8}


def test_a_refusal_has_a_code_and_no_number() -> None:
    """It belongs to a message, not to a run."""
    error = events.describe_refusal(Busy("Full."))["error"]
    assert isinstance(error, dict)
    assert error["code"] == "busy"


def said(fields: object, **where: str) -> Any:
    return parse_message(json.dumps(fields), TERMS, **where)


def test_a_run_is_asked_for_as_over_http() -> None:
    """The body of the endpoint, with its name as type; Python without one, and in a session what that speaks."""
    assert said({"code": "1"}) == Execute(RunRequest("python", "1", 30.0), "")
    assert said({"type": "execute", "code": "1", "timeout": 500, "id": "a"}) == Execute(RunRequest("python", "1", 0.5), "a")
    assert said({"type": "chart", "code": "1", "format": "svg"}).request.inputs == {"format": "svg", "dpi": 100}
    assert said({"type": "math", "expression": "1+1"}).request.task == "math"
    assert said({"type": "math", "expression": "1+1", "include": ["svg"]}).request.include == {"svg"}
    assert said({"language": "javascript", "code": "1"}).request == RunRequest("javascript", "1", 10.0)
    assert said({"code": "1"}, session="s1").request == RunRequest("python", "1", 0.0, session="s1")
    assert said({"code": "1"}, session="s1", language="javascript").request.task == "javascript"


def test_a_run_is_stopped_and_followed_by_its_id() -> None:
    """Or the one that is going on; from the beginning unless told otherwise."""
    assert said({"type": "interrupt"}) == InterruptRun("")
    assert said({"type": "interrupt", "run": "r1"}) == InterruptRun("r1")
    assert said({"type": "resume", "run": "r1", "after": 4}) == Resume("r1", 4)
    assert said({"type": "resume", "run": "r1"}) == Resume("r1", 0)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"{}", "text frames"),
        ("", "The message is empty"),
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object, not an array"),
        ("{}", "code"),
        ('{"type": "stop"}', "type"),
        ('{"type": 1}', "type"),
        ('{"type": "interrupt", "id": "x"}', "'id'"),
        ('{"type": "interrupt", "run": 1}', "run"),
        ('{"type": "resume"}', "run"),
        ('{"type": "resume", "run": "r", "after": -1}', "after"),
        ('{"type": "resume", "run": "r", "after": true}', "after"),
        ('{"code": "1", "id": 5}', "id"),
        ('{"code": "1", "id": "' + "x" * 200 + '"}', "id"),
        ('{"code": "1", "timeout": 0}', "timeout"),
        ('{"code": "1", "more": 1}', "'more'"),
        ('{"type": "chart", "code": "1", "language": "javascript"}', "language"),
        ('{"code": "1", "session": "other"}', "session"),
        ('{"a":' * 50 + "1" + "}" * 50, "nested"),
    ],
)
def test_a_bad_message_is_told_what_is_wrong(text: str | bytes, names: str) -> None:
    """By the name of the field, or of what is no JSON."""
    with pytest.raises(BadRequest, match=names):
        parse_message(text, TERMS, session="s1")

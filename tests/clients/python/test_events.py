"""What the events of a run come to."""

from __future__ import annotations

import json

import pytest

import omega_client as omega
from omega_client.events import STATUSES, Gathered, read_event
from tests.clients.python.test_wire import error


def gathered(*events: dict[str, object]) -> Gathered:
    """What *events* come to."""
    found = Gathered()
    for event in events:
        found.add(read_event(json.dumps(event)))
    return found


DONE = {"type": "done", "seq": 9, "success": True, "error": None, "executionTime": 4}


def test_a_run_is_what_its_events_were() -> None:
    """As the answer to a plain request has it."""
    run = gathered(
        {"type": "accepted", "runId": "r"},
        {"type": "stdout", "text": "a"},
        {"type": "stderr", "text": "b"},
        {
            "type": "chart",
            "base64": "AA==",
            "mimeType": "image/png",
            "chartData": None,
            "seq": 3,
            "data": {"text/plain": "F"},
        },
        {"type": "display", "data": {"text/plain": "1"}, "displayId": "d"},
        {"type": "display", "data": {"text/plain": "2"}, "displayId": "d", "updates": True},
        {"type": "display", "data": {"text/plain": "3"}, "displayId": "other", "updates": True},
        {"type": "result", "data": {"text/plain": "42"}, "metadata": {"cut": {}}},
        DONE,
    ).run
    assert run.answer == {
        "success": True,
        "error": None,
        "executionTime": 4,
        "output": "ab",
        "stdout": "a",
        "stderr": "b",
        "results": [
            {"type": "display", "data": {"text/plain": "F"}, "chart": 0},
            {"type": "display", "data": {"text/plain": "2"}},
            {"type": "display", "data": {"text/plain": "3"}},
            {"type": "result", "data": {"text/plain": "42"}, "metadata": {"cut": {}}},
        ],
        "charts": [{"base64": "AA==", "mimeType": "image/png", "chartData": None}],
    }
    assert run.charts[0].data == b"\0"


def test_a_run_with_a_gap_is_not_the_whole() -> None:
    """It says so, as a run does whose output was cut."""
    run = gathered({"type": "stdout", "text": "a"}, {"type": "gap", "from": 2, "to": 9}, {**DONE, "truncated": False}).run
    assert (run.output, run.answer["truncated"]) == ("a", True)


def test_the_end_may_have_the_text_as_a_terminal_shows_it() -> None:
    """Then that is the output."""
    assert gathered({"type": "stdout", "text": "1%\r2%"}, {**DONE, "output": "2%"}).run.output == "2%"


def test_an_event_has_what_its_type_has() -> None:
    """And nothing else."""
    written, shown = read_event('{"type": "stdout", "text": "a"}'), read_event('{"type": "display", "data": {"a/b": 1}}')
    assert (written.text, written.data, written.chart) == ("a", {}, None)
    assert (shown.text, shown.data["a/b"]) == ("", 1)
    chart = read_event('{"type": "chart", "base64": "AA==", "mimeType": "image/png"}').chart
    assert chart is not None and chart.data == b"\0"


@pytest.mark.parametrize("code", STATUSES)
def test_a_run_that_was_refused_raises(code: str) -> None:
    """The exception of the code: streams have no status for it."""
    told = json.loads(error(type="X", message="No.", code=code))["error"]
    with pytest.raises(omega.ApiError, match="No") as refused:
        gathered({"type": "error", "error": told})
    assert type(refused.value) is not omega.ApiError
    assert refused.value.status == STATUSES[code]
    assert not gathered({"type": "error", "error": {"type": "ZeroDivisionError", "message": "x"}}).is_over


def test_a_run_without_its_end_is_none() -> None:
    """What came so far may be all or half."""
    with pytest.raises(omega.ConnectionFailed):
        assert gathered({"type": "stdout", "text": "a"}).run
    for wrong in ("x", "[]", '{"seq": 1}'):
        with pytest.raises(omega.ConnectionFailed):
            read_event(wrong)

"""Answers: the guide's fields, and JSON that every strict reader accepts."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from gateway.core import strict_json
from gateway.core.chart_data import MIME
from gateway.core.json_limits import KERNEL_DEPTH
from gateway.core.model import Display, Json, Limit, Raised, Result
from gateway.core.request import Include, RunRequest
from gateway.web.api.answers import NO_VALUE, describe_answer, describe_chart, describe_raised, describe_run
from gateway.web.api.events import describe_end
from gateway.web.edge.json_answer import clean

PNG = base64.b64encode(b"\x89PNG").decode()
FIELDS = {"success", "output", "error", "variables", "executionTime", "exitCode", "results", "charts"}
STREAMS = {"stdout", "stderr"}
MORE = {"truncated", "limits", "usage", "kernelReplaced", "files", "filesTruncated"}


def test_a_run_has_the_fields_of_the_guide_and_more() -> None:
    """Every field is always there; nothing else is."""
    answer = describe_run("python", Result(True, "o", "o", "", None, 0, 0.1234, variables={"x": {"type": "int"}}))
    assert set(answer) == FIELDS | MORE
    assert answer["executionTime"] == 123
    assert answer["output"] == "o"
    assert answer["variables"] == {"x": {"type": "int"}}
    assert answer["limits"] == []
    assert answer["error"] is None


@pytest.mark.parametrize(
    ("stdout", "stderr", "include", "is_told"),
    [
        ("o", "e", frozenset(), True),
        ("o", "", frozenset(), False),
        ("", "e", frozenset(), False),
        ("", "", frozenset(), False),
        ("o", "", frozenset({"svg"}), False),
        ("o", "", frozenset({"streams"}), True),
        ("", "", frozenset({"streams"}), True),
    ],
)
def test_each_stream_comes_alone_if_both_were_written_or_it_is_asked_for(
    stdout: str, stderr: str, include: frozenset[Include], is_told: bool
) -> None:
    """Otherwise `output` has all that one of them has, and an answer has its bytes once."""
    answer = describe_run("python", Result(True, stdout + stderr, stdout, stderr, None, 0, 0.0), include)
    assert set(answer) & STREAMS == (STREAMS if is_told else set())
    assert not is_told or (answer["stdout"], answer["stderr"]) == (stdout, stderr)


def test_an_error_has_type_message_and_traceback() -> None:
    """As in the guide; no traceback is null."""
    answer = describe_run("python", Result(False, "", "", "", Raised("E", "m", "Traceback"), 1, 0.0, limit=Limit.TIMEOUT))
    assert answer["error"] == {"type": "E", "message": "m", "traceback": "Traceback"}
    assert answer["limits"] == ["timeout"]
    answer = describe_run("python", Result(False, "", "", "", Raised("E", "m", ""), 1, 0.0))
    assert answer["error"] == {"type": "E", "message": "m", "traceback": None}
    hinted = {"type": "E", "message": "m", "traceback": None, "hint": "Do it."}
    assert describe_raised(Raised("E", "m", "", "Do it.")) == hinted


def test_javascript_that_gives_nothing_is_told_how_to_give_a_value() -> None:
    """As most who send an expression alone expect its value; a cell of a session has it. At the end of a stream, too."""
    ended = Result(True, "", "", "", None, 0, 0.0, gave_nothing=True)
    request = RunRequest("javascript", "1 + 2", 1.0)
    assert describe_answer(request, ended)["hint"] == describe_end(request, ended)["hint"] == NO_VALUE
    assert "hint" not in describe_answer(replace(request, session="s"), ended)
    assert "hint" not in describe_end(request, replace(ended, gave_nothing=False))


def test_the_first_chart_comes_apart() -> None:
    """`chart` is the first of `charts`; what is no picture is in `results` alone."""
    shown = (
        Display("display", {"text/plain": "x"}),
        Display("display", {"image/png": PNG + "\n", "text/plain": "<Figure>"}),
        Display("display", {"image/svg+xml": "<svg>é</svg>"}),
    )
    answer = describe_run("chart", Result(True, "", "", "", None, 0, 0.0, displays=shown))
    assert answer["chart"] == {"base64": PNG, "mimeType": "image/png", "chartData": None}
    svg = base64.b64encode("<svg>é</svg>".encode()).decode()
    drawn = {"base64": svg, "mimeType": "image/svg+xml", "chartData": None}
    assert answer["charts"] == [answer["chart"], drawn]
    assert answer["results"] == [
        {"type": "display", "data": {"text/plain": "x"}},
        {"type": "display", "data": {"text/plain": "<Figure>"}, "chart": 0},
        {"type": "display", "data": {}, "chart": 1},
    ]
    asked = describe_run("chart", Result(True, "", "", "", None, 0, 0.0, displays=shown), frozenset({"svg"}))
    assert asked["charts"] == [answer["chart"], {**drawn, "svg": "<svg>é</svg>"}]


def test_what_a_figure_shows_stands_beside_its_picture_once() -> None:
    """Not among the other forms it has; one over the limit says so."""
    pie: Any = {"type": "pie", "title": None, "elements": [{"label": "a", "angle": 360.0, "radius": 1.0}]}
    tellings: list[Any] = [pie, {"leftOut": True}, {"type": "no"}]
    shown = [Display("display", {"image/png": PNG, MIME: told}) for told in tellings]
    answer = describe_run("python", Result(True, "", "", "", None, 0, 0.0, displays=tuple(shown)))
    picture = {"base64": PNG, "mimeType": "image/png"}
    assert answer["charts"] == [
        {**picture, "chartData": pie},
        {**picture, "chartData": None, "chartDataTruncated": True},
        {**picture, "chartData": None},
    ]
    assert answer["results"] == [{"type": "display", "data": {}, "chart": at} for at in range(3)]


def test_a_failed_chart_is_null() -> None:
    """Unless one was drawn before the failure."""
    answer = describe_run("chart", Result(False, "", "", "", Raised("E", "m", ""), 1, 0.0))
    assert answer["chart"] is None


def test_a_picture_that_is_no_text_is_no_chart() -> None:
    """Forged MIME data can't break the answer."""
    shown = (Display("display", {"image/png": 5, "image/svg+xml": None}),)
    answer = describe_run("python", Result(True, "", "", "", None, 0, 0.0, displays=shown))
    assert answer["charts"] == []
    assert answer["results"] == [{"type": "display", "data": {"image/png": 5, "image/svg+xml": None}}]


@pytest.mark.parametrize("spaces", ["\n", " \t\r\n\v\f", "\u2028"])
def test_base64_has_no_white_space(spaces: str) -> None:
    """Data URIs want none, whatever a kernel wraps its lines with."""
    assert describe_chart(Display("display", {"image/png": f"{spaces}aGkh{spaces}aGkh{spaces}"}))["base64"] == "aGkhaGkh"


def test_what_a_kernel_may_send_is_not_cut() -> None:
    """The deepest value accepted from a kernel is whole in its answer."""
    value: Json = 1
    for _ in range(KERNEL_DEPTH - 1):
        value = [value]
    shown = strict_json.clean({"application/json": value}, strict_json.Budget())
    assert isinstance(shown, dict)
    answer = describe_run("python", Result(True, "", "", "", None, 0, 0.0, displays=(Display("result", shown),)))
    assert clean({"notebook": {"cells": [answer]}}) == {"notebook": {"cells": [answer]}}

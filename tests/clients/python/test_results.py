"""Runs as values."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

import omega_client as omega

FAILED: dict[str, Any] = {
    "success": False,
    "output": "before\n",
    "error": {"type": "ValueError", "message": "no", "traceback": "Traceback ...\nValueError: no\n", "hint": "Try."},
}


def test_a_run_that_failed_says_why() -> None:
    """It raises nothing unless it is asked to."""
    run = omega.Run(FAILED)
    assert not run.success
    assert run.error == omega.RunError("ValueError", "no", "Traceback ...\nValueError: no\n", "Try.")
    assert str(run) == "before\nValueError: no Try."
    with pytest.raises(omega.RunFailed, match="ValueError: no") as failed:
        run.check()
    assert failed.value.run is run
    assert str(failed.value) == str(run.error) == "ValueError: no Try."


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"type": "KernelDied", "message": "Gone.", "traceback": None}, "KernelDied: Gone."),
        ({"type": "KeyboardInterrupt", "message": "", "traceback": "KeyboardInterrupt:\n"}, "KeyboardInterrupt"),
        (
            {
                "type": "TimeoutError",
                "message": "Execution timeout exceeded",
                "traceback": "Cell In[1], line 1\nKeyboardInterrupt",
                "hint": "The limit was 0.5 s.",
            },
            "TimeoutError: Execution timeout exceeded The limit was 0.5 s.",
        ),
    ],
)
def test_an_error_is_type_and_message(error: dict[str, Any], text: str) -> None:
    """A limit is told there, and not in the traceback, which ends with how the code was stopped."""
    run = omega.Run({"success": False, "error": error})
    assert str(run.error) == text
    with pytest.raises(omega.RunFailed) as failed:
        run.check()
    assert str(failed.value) == text


@pytest.mark.parametrize(
    ("answer", "value", "text"),
    [
        ({}, None, ""),
        ({"output": "a\n", "results": [{"type": "display", "data": {"text/plain": "x"}}]}, None, "a"),
        ({"results": [{"type": "result", "data": {"text/plain": "np.int64(18)", "application/json": 18}}]}, 18, "18"),
        ({"results": [{"type": "result", "data": {"text/plain": "<X>"}}]}, "<X>", "<X>"),
        ({"results": [{"type": "result", "data": {"text/plain": "nan", "application/json": None}}]}, None, ""),
        ({"returnValue": [1]}, [1], "[1]"),
    ],
)
def test_the_value_is_json_where_it_has_that_form(answer: dict[str, Any], value: object, text: str) -> None:
    """Or the text of it; what was only displayed is no value."""
    run = omega.Run({"success": True, "error": None, **answer})
    assert run.check() is run
    assert run.value == value
    assert str(run) == text


def test_pictures_and_files_are_bytes(tmp_path: Path) -> None:
    """Base64 is the wire's."""
    data = base64.b64encode(b"\x89PNG").decode()
    shown = {"base64": data, "mimeType": "image/png", "chartData": {"type": "line"}}
    fetched = {"files": [{"path": "a/b", "base64": data}], "leftOut": []}
    run = omega.Run({"success": True, "charts": [shown], "fetched": fetched, "variables": {"x": {"type": "int"}}})
    assert run.charts == [omega.Chart(b"\x89PNG", "image/png", {"type": "line"})]
    assert run.fetched == {"a/b": b"\x89PNG"}
    assert run.variables["x"]["type"] == "int"
    run.charts[0].save(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes() == b"\x89PNG"
    assert run.charts[0]._repr_mimebundle_() == {"image/png": b"\x89PNG"}
    assert omega.Chart(b"<svg/>", "image/svg+xml")._repr_mimebundle_() == {"image/svg+xml": "<svg/>"}


def test_a_repr_has_no_pictures_and_files() -> None:
    """Their size and type, and the beginnings of what the gateway says."""
    chart = omega.Chart(b"\x89PNG" * 1000, "image/png", {"type": "line"})
    assert repr(chart) == "<Chart image/png, 4000 bytes>"
    shown = {"base64": base64.b64encode(chart.data).decode(), "mimeType": "image/png"}
    run = omega.Run({"success": True, "output": "a", "charts": [shown], "fetched": {"files": [{"path": "b", **shown}]}})
    result = omega.ToolResult("text", (chart,), answer={"content": [shown]})
    answer = omega.Answer("text", [shown], (), 1, "end", ran_out=False, last=shown)
    for value in (run, omega.Event("chart", shown), result, answer):
        assert len(repr(value)) < 600
        assert shown["base64"][:200] not in repr(value)
    assert repr(run).startswith("Run({") and "'output': 'a'" in repr(run)
    assert repr(result) == "ToolResult(text='text', images=(<Chart image/png, 4000 bytes>,), is_error=False, session=None)"

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
    assert str(run) == "before\nTraceback ...\nValueError: no"
    with pytest.raises(omega.RunFailed, match="ValueError: no") as failed:
        run.check()
    assert failed.value.run is run
    without = {**FAILED, "error": {"type": "KernelDied", "message": "Gone.", "traceback": None}}
    assert str(omega.Run(without).error) == "KernelDied: Gone."


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

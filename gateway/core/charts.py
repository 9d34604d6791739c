"""Which outputs are charts, and the failure of a chart run that drew none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.core import chart_data
from gateway.core.model import Display, Json, Raised, Result, Task
from kernels.run_rules import NO_CHART

CHART_TYPES = ("image/png", "image/svg+xml", "image/jpeg")


def judge(task: Task, result: Result) -> Result:
    """*result*; a chart run that drew nothing becomes a failure."""
    if task != "chart" or not result.success or any(is_chart(display) for display in result.displays):
        return result
    return replace(result, success=False, error=Raised("ChartError", NO_CHART, ""), exit_code=1)


def is_chart(display: Display) -> bool:
    """Whether *display* has a picture as text."""
    return chart_type(display) is not None


def chart_type(display: Display) -> str | None:
    """The MIME type of the best picture of *display*."""
    return next((kind for kind in CHART_TYPES if isinstance(display.data.get(kind), str)), None)


def without_chart_data(data: Mapping[str, Json]) -> Mapping[str, Json]:
    """The bundle *data* as pictures are shown to people: what our kernels add for programs stands elsewhere, or nowhere."""
    return {kind: value for kind, value in data.items() if kind != chart_data.MIME} if chart_data.MIME in data else data

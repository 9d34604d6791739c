"""What a figure shows, as data: one chart, or several as a superchart. Nothing in a figure can make this raise.

The kinds line, scatter, bar, pie, box_and_whisker, superchart and unknown have the form that E2B's clients read; histogram,
heatmap, area, errorbar and violin are ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from kernels.python.shown.chart_data import bars, boxes, fills, grids, pie, points
from kernels.python.shown.chart_data.axis import title_of
from kernels.python.shown.chart_data.budget import DataBudget, TooMuchData
from kernels.python.shown.chart_data.sheet import Chart, Sheet

MIME = "application/vnd.omega.chart+json"
LEFT_OUT: Chart = {"leftOut": True}
"""What is sent in place of a chart that is more than the limit."""
READERS: tuple[Callable[[Sheet], Chart | None], ...] = (
    pie.read,
    bars.read,
    points.read_errorbars,
    grids.read,
    boxes.read,
    fills.read_violins,
    fills.read_areas,
    points.read_lines,
    points.read_scatter,
)
"""In the order in which they are asked: each tells what its kind of chart is made of, so that the next need not."""
COLOR_BAR = "<colorbar>"
"""matplotlib's label of the axes that are one."""


def read(figure: Figure, limit_bytes: int) -> Chart | None:
    """What *figure* shows, within *limit_bytes* of JSON; None when nothing is drawn. To be called when it has been drawn."""
    try:
        budget = DataBudget(limit_bytes)
        chart = _read(figure, budget)
        is_kept = chart is None or budget.surely_holds(chart) or _size(chart) <= limit_bytes
    except TooMuchData:
        return LEFT_OUT
    except Exception:  # noqa: BLE001  # artists may be the caller's own; a picture without data is still a picture
        return {"type": "unknown", "title": None, "elements": []}
    return chart if is_kept else LEFT_OUT


def _size(chart: Chart) -> int:
    return len(json.dumps(chart, ensure_ascii=False, allow_nan=False).encode())


def _read(figure: Figure, budget: DataBudget) -> Chart | None:
    sheets = [Sheet(axes, budget) for axes in figure.axes if axes.get_visible() and axes.get_label() != COLOR_BAR]
    charts = [chart for sheet in sheets for chart in _charts(sheet)]
    if len(charts) < 2:
        return charts[0] if charts else None
    title = budget.text(title_of(figure.get_suptitle()))
    return {"type": "superchart", "title": title or (sheets[0].title if len(sheets) == 1 else None), "elements": charts}


def _charts(sheet: Sheet) -> list[Chart]:
    """The charts of one axes: mostly one, several where it has points on a line, or bars below one."""
    try:
        found = [] if sheet.axes.name == "3d" else [chart for reader in READERS if (chart := reader(sheet)) is not None]
        if found:
            return found
        is_drawn: Any = sheet.axes.has_data()
    except TooMuchData:
        raise
    except Exception:  # noqa: BLE001  # as above, but the other axes of the figure are still told
        is_drawn = True
    return [sheet.unknown()] if is_drawn else []

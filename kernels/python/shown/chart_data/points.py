"""Lines, scatter plots and error bars: points, in the order drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.container import ErrorbarContainer, StemContainer
from matplotlib.lines import Line2D

from kernels.python.shown.chart_data.axis import Axis, plain_array
from kernels.python.shown.chart_data.sheet import Chart, Element, Sheet

Pairs = list[list[Any]]


def read_lines(sheet: Sheet) -> Chart | None:
    """The lines that stand in the data's own coordinates; ``axhline`` and the like are no data."""
    _claim_baselines(sheet)
    lines = [line for line in sheet.free_lines() if len(line.get_xdata(orig=False))]
    sheet.claim(lines)
    elements = [
        {"label": sheet.label(line, "Line", number), "points": pairs(sheet, *line.get_data(orig=False))}
        for number, line in enumerate(lines)
    ]
    return sheet.planar("line", elements) if elements else None


def read_scatter(sheet: Sheet) -> Chart | None:
    """The clouds of points."""
    clouds = sheet.of(sheet.collections, PathCollection)
    elements = [_cloud(sheet, cloud, number) for number, cloud in enumerate(clouds)]
    return sheet.planar("scatter", elements) if elements else None


def _cloud(sheet: Sheet, cloud: Any, number: int) -> Element:
    offsets = np.ma.filled(np.ma.asarray(cloud.get_offsets(), float), np.nan).reshape(-1, 2)
    return {"label": sheet.label(cloud, "Series", number), "points": pairs(sheet, offsets[:, 0], offsets[:, 1])}


def read_errorbars(sheet: Sheet) -> Chart | None:
    """Points with the ends of their error bars."""
    containers = [one for one in sheet.axes.containers if isinstance(one, ErrorbarContainer)]
    containers = [one for one in containers if sheet.of(one.get_children(), (Line2D, LineCollection))]
    elements = [_errorbar(sheet, container, number) for number, container in enumerate(containers)]
    for container in containers:
        sheet.claim(container.get_children())
    return sheet.planar("errorbar", elements) if elements else None


def _errorbar(sheet: Sheet, container: Any, number: int) -> Element:
    line, _caps, bars = container.lines
    bars, found = list(bars), {}
    for name, is_there in (("x", container.has_xerr), ("y", container.has_yerr)):
        found[name] = _ends(bars.pop(0)) if is_there and bars else None
    x, y = line.get_data(orig=False) if line is not None else _middles(found)
    x, y = plain_array(x), plain_array(y)
    return {
        "label": sheet.label(container, "Line", number),
        "points": pairs(sheet, x, y),
        "x_ranges": _ranges(sheet.x, found["x"], x, y, 0),
        "y_ranges": _ranges(sheet.y, found["y"], x, y, 1),
    }


def _ends(bars: Any) -> np.ndarray:
    """The two ends of each bar: an array of (bar, end, coordinate)."""
    vertices = [path.vertices for path in bars.get_paths()]
    return np.array([ends for ends in vertices if ends.shape == (2, 2)], float).reshape(-1, 2, 2)


def _middles(found: dict[str, np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
    """Where the points of error bars without points would be."""
    ends = found["y"] if found["y"] is not None else found["x"]
    middle = ends.mean(axis=1) if ends is not None else np.empty((0, 2))
    return middle[:, 0], middle[:, 1]


def _ranges(axis: Axis, ends: np.ndarray | None, x: np.ndarray, y: np.ndarray, along: int) -> Pairs | None:
    """The lower and the upper end for each point, None where it has no bar (``errorevery``)."""
    if ends is None:
        return None
    bars = ends[:, :, along]
    if len(bars) != len(x):
        at = dict(zip(ends[:, 0, 1 - along].tolist(), bars.tolist(), strict=True))
        places = (y if along == 0 else x).tolist()
        bars = np.array([at.get(place, (np.nan, np.nan)) for place in places], float).reshape(-1, 2)
    return [list(pair) for pair in zip(axis.values(bars[:, 0]), axis.values(bars[:, 1]), strict=True)]


def pairs(sheet: Sheet, x: Any, y: Any) -> Pairs:
    """The points of *x* and *y*, as the axes take them."""
    return [list(pair) for pair in zip(sheet.x.values(x), sheet.y.values(y), strict=False)]


def _claim_baselines(sheet: Sheet) -> None:
    """A stem plot's points are its data; the line below them is not."""
    for container in sheet.axes.containers:
        if isinstance(container, StemContainer):
            sheet.claim([container.baseline])

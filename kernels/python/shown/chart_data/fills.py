"""Filled areas, and violins, which are areas that mirror themselves about their place."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import FillBetweenPolyCollection, LineCollection

from kernels.python.shown.chart_data.axis import numbers, plain_array
from kernels.python.shown.chart_data.sheet import Chart, Element, Sheet

MIRRORED = 1e-9


class _Fill:
    """One filled region: *along* its direction, from *low* to *high* across it."""

    def __init__(self, collection: Any) -> None:
        self.collection = collection
        self.is_turned = collection.t_direction == "y"
        parts = [
            part for path in collection.get_paths() if (part := _sides(path.vertices, is_turned=self.is_turned)) is not None
        ]
        self.along, self.first, self.second = np.concatenate(parts, axis=1) if parts else np.empty((3, 0))

    @property
    def middle(self) -> float | None:
        """The line it mirrors itself about, or None."""
        middles = (self.first + self.second) / 2
        if not len(middles) or not np.isfinite(middles).all():
            return None
        width = np.abs(self.first - self.second).max()
        return float(middles[0]) if width and np.ptp(middles) <= MIRRORED * max(width, np.abs(middles).max()) else None


def _sides(vertices: np.ndarray, *, is_turned: bool) -> np.ndarray | None:
    """The two edges of a region between curves: matplotlib goes along the first and back along the second."""
    corners = vertices[:, ::-1] if is_turned else vertices
    count = (len(corners) - 2) // 2
    there, back = corners[1 : count + 1], corners[count + 2 : 2 * count + 2][::-1]
    if not count or len(there) != len(back) or not np.array_equal(there[:, 0], back[:, 0]):
        return None
    return np.array([there[:, 0], there[:, 1], back[:, 1]])


def read_violins(sheet: Sheet) -> Chart | None:
    """Bodies that mirror themselves, as ``violinplot`` draws them."""
    fills = [_Fill(one) for one in sheet.of(sheet.collections, FillBetweenPolyCollection)]
    bodies = [(fill, fill.middle) for fill in fills]
    if not bodies or not all(middle is not None and _is_body(fill) for fill, middle in bodies):
        return None
    is_turned = not fills[0].is_turned
    sheet.claim(fill.collection for fill in fills)
    sheet.claim(sheet.of(sheet.collections, LineCollection))
    sheet.claim(sheet.free_lines())  # what seaborn draws inside
    axis = sheet.y if is_turned else sheet.x
    labels = axis.labels([middle for _fill, middle in bodies])
    elements = [_body(sheet, fill, label) for fill, label in zip(fills, labels, strict=True)]
    return sheet.labelled("violin", elements, is_turned=is_turned)


def _is_body(fill: _Fill) -> bool:
    """Whether its widths are those of a density: not all the same, and its places rise."""
    return len(fill.along) > 2 and bool((np.diff(fill.along) > 0).all())


def _body(sheet: Sheet, fill: _Fill, label: str) -> Element:
    along = numbers(fill.along, sheet.budget)
    widths = numbers(np.abs(fill.second - fill.first), sheet.budget)
    points = [list(pair) for pair in zip(along, widths, strict=True)]
    return {"label": label, "min": along[0], "max": along[-1], "points": points}


def read_areas(sheet: Sheet) -> Chart | None:
    """Areas by themselves or with a line along one edge each; beside other lines they are bands, and told by nobody."""
    fills = [_Fill(one) for one in sheet.of(sheet.collections, FillBetweenPolyCollection)]
    fills = [fill for fill in fills if len(fill.along) and not fill.is_turned]
    lines = sheet.free_lines()
    edges = _edges_of(fills, lines)
    others = [line for line in lines if not any(line is edge for edge in edges)]
    if not fills or others:
        return None
    sheet.claim(fill.collection for fill in fills)
    sheet.claim(line for line in edges if line is not None)
    elements = [_area(sheet, fill, line, number) for number, (fill, line) in enumerate(zip(fills, edges, strict=True))]
    return sheet.planar("area", elements)


def _edges_of(fills: list[_Fill], lines: list[Any]) -> list[Any]:
    """For each of *fills* a line of its own that runs along one of its edges, or None."""
    edges: list[Any] = []
    free = [(line, plain_array(line.get_ydata(orig=False))) for line in lines]
    for fill in fills:
        found = next((one for one in free if any(np.array_equal(one[1], edge) for edge in (fill.first, fill.second))), None)
        free = [one for one in free if one is not found]
        edges.append(found[0] if found else None)
    return edges


def _area(sheet: Sheet, fill: _Fill, line: Any, number: int) -> Element:
    label = sheet.label(fill.collection, "Area", number)
    if line is not None and str(fill.collection.get_label()).startswith("_"):
        label = sheet.label(line, "Area", number)
    low, high = np.minimum(fill.first, fill.second), np.maximum(fill.first, fill.second)
    points = zip(sheet.x.values(fill.along), sheet.y.values(low), sheet.y.values(high), strict=True)
    return {"label": label, "points": [list(point) for point in points]}

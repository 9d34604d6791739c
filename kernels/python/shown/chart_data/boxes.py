"""Box plots. matplotlib keeps of one only its lines, so each box is found by its shape and gets the lines at its place."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from matplotlib.patches import PathPatch

from kernels.python.shown.chart_data.axis import numbers, plain_array
from kernels.python.shown.chart_data.sheet import Chart, Element, Sheet

PLAIN, NOTCHED = 5, 11
"""The corners of a box's outline, the first one again at its end."""
NEAR = 1e-6


@dataclass(slots=True)
class _Box:
    """A box as if it stood upright: from *left* to *right* across, from *low* to *high*."""

    left: float
    right: float
    low: float
    high: float
    median: float | None = None
    is_notched: bool = False
    least: float = field(init=False)
    most: float = field(init=False)
    outliers: list[float] = field(default_factory=list)
    _span: float = 0.0

    def __post_init__(self) -> None:
        self.least, self.most = self.low, self.high

    @property
    def middle(self) -> float:
        """Where it stands."""
        return (self.left + self.right) / 2

    def is_at(self, across: list[float]) -> bool:
        """Whether a line with these places across it belongs to it."""
        low, high = min(across), max(across)
        reach = NEAR * (self.right - self.left)
        return abs(low + high - self.left - self.right) <= reach and self.left - reach <= low and high <= self.right + reach

    def take(self, line: _Line) -> None:
        """Take in one of its lines of two points: a whisker, or its median; caps tell nothing more."""
        low, high = min(line.along), max(line.along)
        if line.across[0] == line.across[1]:
            self.least = min(self.least, low) if high <= self.low else self.least
            self.most = max(self.most, high) if low >= self.high else self.most
        elif low == high and self.low <= low <= self.high and not self.is_notched:
            span = abs(line.across[0] - line.across[1])
            if span >= self._span:  # a cap can lie within the box, and is narrower
                self.median, self._span = low, span

    def take_points(self, along: list[float]) -> None:
        """Take in points drawn at its place; a mean can be among them, but lies within."""
        self.outliers = [value for value in along if not self.least <= value <= self.most]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as if its box stood upright."""

    across: list[float]
    along: list[float]
    is_points: bool

    @property
    def is_closed(self) -> bool:
        """Whether it may be the outline of a box."""
        is_long_enough = len(self.across) in (PLAIN, NOTCHED)
        return is_long_enough and (self.across[0], self.along[0]) == (self.across[-1], self.along[-1])

    def turned(self) -> _Line:
        """The same, lying."""
        return _Line(self.along, self.across, self.is_points)


def read(sheet: Sheet) -> Chart | None:
    """The boxes of *sheet*, if it has any with a median."""
    patches = sheet.of(sheet.patches, PathPatch)
    if not patches and not any(len(line.get_xdata(orig=False)) in (PLAIN, NOTCHED) for line in sheet.free_lines()):
        return None
    lines = [*map(_outline, patches), *map(_line, sheet.free_lines())]
    upright = _found(lines)
    turned = _found([line.turned() for line in lines]) if _lacks_median(upright) else []
    is_turned = _known(turned) > _known(upright)
    best = turned if is_turned else upright
    if not _known(best):
        return None
    sheet.claim([*sheet.free_lines(), *patches])
    return _chart(sheet, [box for box in best if box.median is not None], is_turned=is_turned)


def _outline(patch: Any) -> _Line:
    """The corners of a patch without the one that only closes it."""
    vertices = patch.get_path().vertices
    corners = vertices[:-1] if len(vertices) in (PLAIN + 1, NOTCHED + 1) else vertices
    return _Line(corners[:, 0].tolist(), corners[:, 1].tolist(), is_points=False)


def _line(line: Any) -> _Line:
    x, y = line.get_data(orig=False)
    return _Line(plain_array(x).tolist(), plain_array(y).tolist(), line.get_linestyle() == "None")


def _known(boxes: list[_Box]) -> int:
    """How many boxes have a median: as many as there are, where they are looked at the right way round."""
    return sum(box.median is not None for box in boxes)


def _lacks_median(boxes: list[_Box]) -> bool:
    return not boxes or _known(boxes) < len(boxes)


def _found(lines: list[_Line]) -> list[_Box]:
    """The boxes among *lines*, each with the lines at its place."""
    boxes = sorted((box for line in lines if (box := _box(line)) is not None), key=lambda box: box.middle)
    middles = [box.middle for box in boxes]
    points: dict[int, tuple[_Box, list[float]]] = {}
    for line in lines if boxes else ():
        box = _at(boxes, middles, line)
        if box is None:
            continue
        if line.is_points:
            points[id(box)] = box, line.along  # a mean comes before the outliers
        elif len(line.across) == 2:
            box.take(line)
    for box, along in points.values():  # when the whiskers are known
        box.take_points(along)
    return boxes


def _at(boxes: list[_Box], middles: list[float], line: _Line) -> _Box | None:
    """The box that *line* belongs to."""
    if not line.across or not (line.is_points or len(line.across) == 2):
        return None
    place = (line.across[0] + line.across[-1]) / 2
    after = bisect(middles, place)
    near = [boxes[index] for index in (after - 1, after) if 0 <= index < len(boxes)]
    return next((box for box in near if box.is_at(line.across)), None)


def _box(line: _Line) -> _Box | None:
    """The box with this outline, or None when it is none."""
    x, y = line.across, line.along
    if not line.is_closed or not all(map(isfinite, (*x, *y))):
        return None
    left, right, low, high = min(x), max(x), min(y), max(y)
    if len(x) == PLAIN:
        return _Box(left, right, low, high) if {*x} == {left, right} and {*y} == {low, high} and left < right else None
    low, high = y[0], y[5]  # a notch may reach beyond the box
    is_box = y[1] == low and y[6] == high and x[3] < x[2] and y[3] == y[8] and low <= high
    return _Box(left, right, low, high, y[3], is_notched=True) if is_box else None


def _chart(sheet: Sheet, boxes: list[_Box], *, is_turned: bool) -> Chart:
    axis = sheet.y if is_turned else sheet.x
    labels = axis.labels([box.middle for box in boxes])
    elements = [_element(sheet, box, label) for box, label in zip(boxes, labels, strict=True)]
    return sheet.labelled("box_and_whisker", elements, is_turned=is_turned)


def _element(sheet: Sheet, box: _Box, label: str) -> Element:
    least, low, median, high, most = numbers([box.least, box.low, box.median, box.high, box.most], sheet.budget)
    return {
        "label": label,
        "min": least,
        "first_quartile": low,
        "median": median,
        "third_quartile": high,
        "max": most,
        "outliers": numbers(box.outliers, sheet.budget),
    }

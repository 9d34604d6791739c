"""One axes of a figure while it is read: its two axes, its artists, and which of them have been told already."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from matplotlib.lines import AxLine, Line2D

from kernels.python.shown.chart_data.axis import Axis, Value, title_of, unit_of
from kernels.python.shown.chart_data.budget import DataBudget
from kernels.serving.texts import clean

Chart = dict[str, Any]
Element = dict[str, Any]


class Sheet:
    """What the readers of kinds of charts share. A reader claims the artists that are part of what it tells."""

    def __init__(self, axes: Any, budget: DataBudget) -> None:
        self.axes = axes
        self.budget = budget
        self._claimed: set[int] = set()

    @cached_property
    def x(self) -> Axis:
        """The horizontal axis."""
        return Axis(self.axes.xaxis, self.budget)

    @cached_property
    def y(self) -> Axis:
        """The vertical axis."""
        return Axis(self.axes.yaxis, self.budget)

    @cached_property
    def lines(self) -> list[Any]:
        """Its lines in the coordinates of the data: ``axhline`` and the like are no data."""
        return [line for line in self.of(self.axes.lines, Line2D) if _is_of_data(line, self.axes.transData)]

    @cached_property
    def patches(self) -> tuple[Any, ...]:
        """Its patches."""
        return tuple(self.axes.patches)

    @cached_property
    def collections(self) -> tuple[Any, ...]:
        """Its collections."""
        return tuple(self.axes.collections)

    def free_lines(self) -> list[Any]:
        """Its lines that are nobody's so far."""
        return [line for line in self.lines if id(line) not in self._claimed]

    def claim(self, artists: Iterable[Any]) -> None:
        """Let no later reader tell of *artists*."""
        self._claimed.update(map(id, artists))

    def of(self, artists: Iterable[Any], kind: type[Any] | tuple[type[Any], ...]) -> list[Any]:
        """Those of *artists* that are of *kind*, visible, and nobody's so far."""
        return [one for one in artists if isinstance(one, kind) and one.get_visible() and id(one) not in self._claimed]

    def label(self, artist: Any, noun: str, number: int) -> str:
        """The label of *artist*; matplotlib's own names for those without one are made readable."""
        return self.name(artist.get_label(), noun, number)

    def name(self, label: Any, noun: str, number: int) -> str:
        """*label*, or *noun* with a number where the code gave none."""
        given = clean(str.__str__(label)) if isinstance(label, str) else ""
        if given and not given.startswith("_"):
            return self.budget.text(given)
        digits = given.removeprefix("_child").removeprefix("_container")
        return f"{noun} {digits if digits.isascii() and digits.isdigit() else number}"

    @property
    def title(self) -> str | None:
        """The title, wherever it stands above the axes."""
        titles = (title_of(self.axes.get_title(loc)) for loc in ("center", "left", "right"))
        return self.budget.text(next(filter(None, titles), "")) or None

    def unknown(self) -> Chart:
        """A chart of no kind that can be told."""
        return {"type": "unknown", "title": self.title, "elements": []}

    def labelled(self, kind: str, elements: list[Element], *, is_turned: bool = False) -> Chart:
        """A chart with labels of its axes: those of names first, so that horizontal bars read as vertical ones."""
        first, second = (self.y, self.x) if is_turned else (self.x, self.y)
        x_label, y_label = first.label, second.label
        return {
            "type": kind,
            "title": self.title,
            "x_label": x_label,
            "y_label": y_label,
            "x_unit": unit_of(x_label),
            "y_unit": unit_of(y_label),
            "elements": elements,
        }

    def planar(self, kind: str, elements: list[Element], *, is_turned: bool = False) -> Chart:
        """A chart with labels, ticks and scales of its axes."""
        chart = self.labelled(kind, elements, is_turned=is_turned)
        first, second = (self.y, self.x) if is_turned else (self.x, self.y)
        return {**chart, **_scale("x", first), **_scale("y", second)}


def _is_of_data(line: Any, data: Any) -> bool:
    transform = line.get_transform()
    return transform is data or (not isinstance(line, AxLine) and all(transform.contains_branch_seperately(data)))


def _scale(name: str, axis: Axis) -> dict[str, list[Value] | list[str] | str]:
    return {f"{name}_ticks": axis.ticks(), f"{name}_tick_labels": axis.tick_labels(), f"{name}_scale": axis.scale}

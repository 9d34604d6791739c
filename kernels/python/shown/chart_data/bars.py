"""Bars and histograms. Bars that touch one another on an axis of numbers are a histogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.container import BarContainer
from matplotlib.patches import Rectangle, StepPatch

from kernels.python.shown.chart_data.axis import numbers, plain_array
from kernels.python.shown.chart_data.sheet import Chart, Element, Sheet

TOUCHING = 1e-6
"""How far apart, in widths of a bar, two bars are that touch."""
ERROR_BAR_POINTS = 8
"""So many corners has an error bar with its caps at most."""


def read(sheet: Sheet) -> Chart | None:
    """The bars of *sheet*, all as bars or all as a histogram."""
    groups = [_Group(one) for one in sheet.axes.containers if isinstance(one, BarContainer)]
    groups = [group for group in groups if group.bars]
    if not groups:
        return _stairs(sheet)
    for group in groups:
        sheet.claim([*group.bars, *(group.container.errorbar.get_children() if group.container.errorbar else ())])
        sheet.claim(line for line in sheet.free_lines() if group.has_on_it(line))
    is_turned = groups[0].is_turned
    axis = sheet.y if is_turned else sheet.x
    if axis.is_continuous and all(group.touch() for group in groups):
        elements = [_bins(sheet, group, number) for number, group in enumerate(groups)]
        return sheet.planar("histogram", elements, is_turned=is_turned)
    elements = [element for number, group in enumerate(groups) for element in _bars(sheet, group, number)]
    return sheet.labelled("bar", elements, is_turned=is_turned)


class _Group:
    """The bars that one call drew, as from a base upwards."""

    def __init__(self, container: Any) -> None:
        self.container = container
        self.bars = [bar for bar in container if isinstance(bar, Rectangle) and bar.get_visible()]
        self.is_turned = container.orientation == "horizontal"
        boxes = np.array(
            [(bar.get_x(), bar.get_y(), bar.get_width(), bar.get_height()) for bar in self.bars], float
        ).reshape(-1, 4)
        starts, widths, self.values = (boxes[:, 1], boxes[:, 3], boxes[:, 2]) if self.is_turned else boxes.T[[0, 2, 3]]
        self.lefts, self.rights = np.minimum(starts, starts + widths), np.maximum(starts, starts + widths)

    def has_on_it(self, line: Any) -> bool:
        """Whether *line* is an error bar as seaborn draws them: a line, with caps or without, in the middle of a bar."""
        across = plain_array(line.get_ydata(orig=False) if self.is_turned else line.get_xdata(orig=False))
        if not 2 <= len(across) <= ERROR_BAR_POINTS or line.get_linestyle() == "None" or np.isnan(across).all():
            return False
        low, high = float(np.nanmin(across)), float(np.nanmax(across))
        is_centred = np.abs((self.lefts + self.rights) - (low + high)) <= TOUCHING * (self.rights - self.lefts)
        return bool((is_centred & (self.lefts <= low) & (high <= self.rights)).any())

    def touch(self) -> bool:
        """Whether each bar ends where the next begins."""
        gaps = np.abs(self.lefts[1:] - self.rights[:-1])
        return len(gaps) > 0 and bool((gaps <= TOUCHING * (self.rights - self.lefts).max()).all())


def _group_label(sheet: Sheet, group: _Group, number: int) -> str:
    """The label of the call; ``hist`` gives it to its first bar only."""
    first = group.bars[0].get_label()
    given = group.container.get_label()
    return sheet.name(first if str(given or "_").startswith("_") and first[:1] != "_" else given, "Group", number)


def _bars(sheet: Sheet, group: _Group, number: int) -> list[Element]:
    axis = sheet.y if group.is_turned else sheet.x
    labels = axis.labels((group.lefts + group.rights) / 2)
    name = sheet.name(group.container.get_label(), "Group", number)
    heights = numbers(group.values, sheet.budget)
    sheet.budget.values(len(heights))
    return [{"label": label, "group": name, "value": value} for label, value in zip(labels, heights, strict=True)]


def _bins(sheet: Sheet, group: _Group, number: int) -> Element:
    axis = sheet.y if group.is_turned else sheet.x
    return {
        "label": _group_label(sheet, group, number),
        "edges": axis.values([*group.lefts, group.rights[-1]]),
        "counts": numbers(group.values, sheet.budget),
    }


def _stairs(sheet: Sheet) -> Chart | None:
    """Histograms whose bins were counted before (``stairs``)."""
    found = sheet.of(sheet.patches, StepPatch)
    if not found:
        return None
    sheet.claim(found)
    is_turned = found[0].orientation == "horizontal"
    axis = sheet.y if is_turned else sheet.x
    elements = []
    for number, stairs in enumerate(found):
        counts, edges, _baseline = stairs.get_data()
        elements.append(
            {
                "label": sheet.label(stairs, "Group", number),
                "edges": axis.values(plain_array(edges)),
                "counts": numbers(counts, sheet.budget),
            }
        )
    return sheet.planar("histogram", elements, is_turned=is_turned)

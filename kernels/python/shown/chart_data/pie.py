"""Pies: the wedges with their angles in degrees."""

from __future__ import annotations

from matplotlib.patches import Wedge

from kernels.python.shown.chart_data.axis import numbers
from kernels.python.shown.chart_data.sheet import Chart, Sheet

DIGITS = 6
"""matplotlib keeps the shares of a pie as 32-bit floats: what is beyond is noise."""


def read(sheet: Sheet) -> Chart | None:
    """The wedges of *sheet*."""
    wedges = sheet.of(sheet.patches, Wedge)
    if not wedges:
        return None
    sheet.claim(wedges)
    angles = numbers([round(abs(float(one.theta2) - float(one.theta1)), DIGITS) for one in wedges], sheet.budget)
    radii = numbers([one.r for one in wedges], sheet.budget)
    elements = [
        {"label": sheet.label(wedge, "Wedge", number), "angle": angle, "radius": radius}
        for number, (wedge, angle, radius) in enumerate(zip(wedges, angles, radii, strict=True))
    ]
    return {"type": "pie", "title": sheet.title, "elements": elements}

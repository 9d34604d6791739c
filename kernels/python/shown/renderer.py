"""Agg's renderer, with the heights of fonts looked up once for a drawing: matplotlib asks for them each time that it lays
out a text, a dozen times for each label of a tick."""

from __future__ import annotations

from typing import Any

from matplotlib import font_manager
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure

Heights = tuple[float | None, float | None, float | None]
TABLES = (
    ("OS/2", "sTypoAscender", "sTypoDescender", "sTypoLineGap"),
    ("hhea", "ascent", "descent", "lineGap"),
)
"""Where a font tells of its heights, in the order in which matplotlib asks, and by which names."""


class Renderer(RendererAgg):
    """Draws *figure*; without one (a copy has none) its own resolution is that of the texts."""

    def __init__(self, width: float, height: float, dpi: float, figure: Figure | None = None) -> None:
        super().__init__(width, height, dpi)
        self._figure = figure
        self._heights: dict[tuple[int, float], Heights] = {}

    def _get_font_height_metrics(self, prop: Any) -> Heights:
        """Ascent, descent and gap between lines, in pixels; the hook by which other backends answer from files of theirs."""
        dpi = self.dpi if self._figure is None else self._figure.dpi
        key = (hash(prop), dpi)  # equal properties are those of equal hash, as matplotlib compares them
        if key not in self._heights:
            self._heights[key] = _heights_of(prop, dpi)
        return self._heights[key]


def _heights_of(prop: Any, dpi: float) -> Heights:
    """As matplotlib computes them, to the last bit; no number where it would measure a text instead."""
    font = font_manager.get_font(font_manager.fontManager._find_fonts_by_props(prop))
    for name, *heights in TABLES:
        table = font.get_sfnt_table(name)
        if table is not None:
            scale = 1 / font.get_sfnt_table("head")["unitsPerEm"] * prop.get_size_in_points() * dpi / 72
            ascent, descent, gap = (table[height] for height in heights)
            return ascent * scale, -descent * scale, gap * scale
    return None, None, None

"""One figure as a picture, its margins cut to what is drawn, as notebooks show it."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from kernels.python.shown import extent, glyphs, png
from kernels.python.shown.chart_data import reading
from kernels.python.shown.chart_data.sheet import Chart

Format = Literal["png", "svg"]
MIME = {"png": "image/png", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn figure: its MIME type, bytes, a text for readers that show no images, and what it shows as data."""

    mime: str
    data: bytes
    text: str
    chart: Chart | None = None


def is_empty(figure: Figure) -> bool:
    """Whether there is nothing but the background: ``plt.figure()`` and no more."""
    return len(figure.get_children()) <= 1


def render(figure: Figure, image_format: Format, dpi: float | None, chart_bytes: int = 0) -> Picture:
    """Draw *figure*; raises whatever its artists raise. Its data comes along if that is no more than *chart_bytes*."""
    width, height = figure.get_size_inches() * figure.dpi
    label = f"<Figure size {width:.0f}x{height:.0f} with {len(figure.axes)} Axes>"
    with glyphs.missing.told_afterwards(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = _picture(figure, image_format, dpi or figure.dpi)
        chart = reading.read(figure, chart_bytes) if chart_bytes else None
    return Picture(MIME[image_format], data, label, chart)


def _picture(figure: Figure, image_format: Format, dpi: float) -> bytes:
    box: Bbox | None = None
    if image_format == "png" and isinstance(figure.canvas, FigureCanvasAgg):
        pixels, box = _drawn(figure, figure.canvas, dpi)
        if pixels is not None:
            return png.encode(pixels, dpi)
    return _saved(figure, image_format, dpi, box)


def _saved(figure: Figure, image_format: Format, dpi: float, box: Bbox | None) -> bytes:
    """What matplotlib's own way gives. Where *box* is not known it draws twice, once to find the margins."""
    buffer = io.BytesIO()
    colors = {"facecolor": figure.get_facecolor(), "edgecolor": figure.get_edgecolor()}
    area = "tight" if box is None else box.padded(matplotlib.rcParams["savefig.pad_inches"])
    figure.canvas.print_figure(buffer, format=image_format, dpi=dpi, bbox_inches=area, **colors)
    return buffer.getvalue()


def _drawn(figure: Figure, canvas: FigureCanvasAgg, dpi: float) -> tuple[np.ndarray | None, Bbox | None]:
    """The picture cut out of a single drawing, or None when something lies outside the figure's own area.

    Then the box of all there is comes with it, in inches, if it has an end, and no layout moves things when drawn again.
    """
    usual = figure.dpi
    try:
        figure.dpi = dpi
        canvas.draw()
        box = extent.box_of(figure, canvas.get_renderer())
        if not np.isfinite(box.extents).all():
            return None, None
        is_kept = figure.get_layout_engine() is None
        return _cut(figure, box, np.asarray(canvas.buffer_rgba())), box if is_kept else None
    finally:
        figure.dpi = usual


def _cut(figure: Figure, box: Bbox, pixels: np.ndarray) -> np.ndarray | None:
    edges = (box.x0 * figure.dpi, box.x1 * figure.dpi, box.y0 * figure.dpi, box.y1 * figure.dpi)
    left, right, bottom, top = math.floor(edges[0]), math.ceil(edges[1]), math.floor(edges[2]), math.ceil(edges[3])
    height, width = pixels.shape[:2]
    if left < 0 or bottom < 0 or right > width or top > height or left >= right or bottom >= top:
        return None
    margin = round(matplotlib.rcParams["savefig.pad_inches"] * figure.dpi)
    left, right = left - margin, right + margin
    upper, lower = height - top - margin, height - bottom + margin
    inside = pixels[max(upper, 0) : min(lower, height), max(left, 0) : min(right, width)]
    if inside.shape[:2] == (lower - upper, right - left):
        return inside
    framed = np.empty((lower - upper, right - left, 4), np.uint8)
    framed[:] = [round(255 * part) for part in to_rgba(figure.get_facecolor())]
    start_y, start_x = max(-upper, 0), max(-left, 0)
    framed[start_y : start_y + inside.shape[0], start_x : start_x + inside.shape[1]] = inside
    return framed

"""Heat maps: the values of a grid, row by row, with the places of its columns and rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import QuadMesh
from matplotlib.image import AxesImage

from kernels.python.shown.chart_data.axis import numbers, title_of
from kernels.python.shown.chart_data.sheet import Chart, Element, Sheet


def read(sheet: Sheet) -> Chart | None:
    """The grids of *sheet*: of ``imshow``, ``pcolormesh``, ``hist2d`` and seaborn. A photograph is none."""
    found = [*sheet.of(sheet.axes.images, AxesImage), *sheet.of(sheet.collections, QuadMesh)]
    elements = [element for number, one in enumerate(found) if (element := _grid(sheet, one, number))]
    sheet.claim(found)
    return sheet.planar("heatmap", elements) if elements else None


def _grid(sheet: Sheet, mappable: Any, number: int) -> Element | None:
    values = mappable.get_array()
    if values is None or values.ndim != 2 or not values.size:
        return None
    places = _mesh(mappable, values.shape) if isinstance(mappable, QuadMesh) else _pixels(mappable, values.shape)
    if places is None:
        return None
    width = values.shape[1]
    flat = numbers(values, sheet.budget)
    return {
        "label": _label(sheet, mappable, number),
        "x": sheet.x.places(places[0]),
        "y": sheet.y.places(places[1]),
        "values": [flat[start : start + width] for start in range(0, len(flat), width)],
    }


def _label(sheet: Sheet, mappable: Any, number: int) -> str:
    bar = mappable.colorbar
    told = title_of(bar.ax.get_ylabel()) or title_of(bar.ax.get_xlabel()) if bar is not None else ""
    return sheet.budget.text(told) if told else sheet.label(mappable, "Grid", number)


def _pixels(image: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The middles of the columns and rows of an image."""
    left, right, bottom, top = image.get_extent()
    if image.origin == "upper":
        bottom, top = top, bottom
    return _middles(np.linspace(left, right, shape[1] + 1)), _middles(np.linspace(bottom, top, shape[0] + 1))


def _mesh(mesh: Any, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
    """The middles of the columns and rows of a mesh; None when they are not straight."""
    corners = np.ma.filled(np.ma.asarray(mesh.get_coordinates(), float), np.nan)
    x, y = corners[0, :, 0], corners[:, 0, 1]
    if not (np.array_equal(corners[-1, :, 0], x) and np.array_equal(corners[:, -1, 1], y)):
        return None
    if (len(y), len(x)) == shape:  # gouraud: the values are at the corners
        return x, y
    return _middles(x), _middles(y)


def _middles(edges: np.ndarray) -> np.ndarray:
    return (edges[1:] + edges[:-1]) / 2

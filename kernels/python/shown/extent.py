"""The box of all that a figure shows, right after it was drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

ASKED_AGAIN = ("_update_ticks", "_get_ticklabel_bboxes")
"""What matplotlib computes six times for each axis on the way to its box: for the axis, its label, its two spines, and the
title above it. Nothing moves meanwhile, so that the answers are the same."""


def box_of(figure: Figure, renderer: RendererBase) -> Bbox:
    """The box around *figure* as it has just been drawn, in inches."""
    with _answering_once(figure):
        return figure.get_tightbbox(renderer)


@contextmanager
def _answering_once(figure: Figure) -> Iterator[None]:
    """Let each axis in the plane compute its ticks and their boxes once within the block."""
    found = [axis for axes in figure.axes if axes.name != "3d" for axis in (axes.xaxis, axes.yaxis)]
    held = [(vars(axis), name, getattr(axis, name)) for axis in found for name in ASKED_AGAIN if name not in vars(axis)]
    try:
        for attributes, name, ask in held:
            attributes[name] = _once(ask)
        yield
    finally:
        for attributes, name, _ask in held:
            attributes.pop(name, None)


def _once(ask: Callable[..., Any]) -> Callable[..., Any]:
    answers: list[Any] = []

    def answer(*args: Any) -> Any:
        if not answers:
            answers.append(ask(*args))
        return answers[0]

    return answer

"""The matplotlib backend of the kernels: every figure of a run is published exactly once, in order of creation.

A figure counts when it was left open, shown or saved; one that was only closed was discarded by its author.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import matplotlib
from matplotlib import pyplot as plt
from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureCanvasBase, FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kernels.python.shown import drawing
from kernels.python.shown.drawing import Format, Picture

BACKEND = "module://kernels.python.shown.figures"


@dataclass(slots=True)
class _Entry:
    """One figure of this run, from its creation until it is published or discarded."""

    figure: Figure | None
    is_saved: bool = False  # or displayed: closing it does not discard it
    picture: Picture | None = None
    is_done: bool = False


@dataclass(slots=True)
class Figures:
    """The figures of the current run. *publish* gets each picture once, in order of the figures' creation."""

    publish: Callable[[Picture], None]
    format: Format = "png"
    dpi: float | None = None
    scale: float = 1.0
    """How many pixels stand for one: 2 for screens with small ones."""
    chart_bytes: int = 0
    """How much data may come with each picture; 0 for none."""
    count: int = 0
    is_shown: Callable[[Figure], bool] = lambda _figure: False
    """Whether the run has shown a figure, as it is now, in another way."""
    _entries: list[_Entry] = field(default_factory=list)
    _published: WeakSet[Figure] = field(default_factory=WeakSet)
    _is_drawing: bool = False

    def begin(self, image_format: Format = "png", dpi: float | None = None, chart_bytes: int = 0) -> None:
        """Start a run: nothing of an earlier one is left."""
        self.format, self.dpi, self.chart_bytes, self.count = image_format, dpi, chart_bytes, 0
        self.scale = 1.0
        self._entries.clear()
        self._published.clear()
        Gcf.destroy_all()
        self._entries.clear()

    def opened(self, figure: Figure) -> None:
        """Note a figure that pyplot made."""
        self._entries.append(_Entry(figure))

    def saved(self, figure: Figure) -> None:
        """Note that user code saved *figure*; from now on closing it does not discard it."""
        if self._is_drawing or figure in self._published:
            return
        entry = self._find(figure)
        if entry is None:
            entry = _Entry(figure)
            self._entries.append(entry)
        entry.is_saved = True

    def closed(self, figure: Figure) -> None:
        """Note that pyplot closed *figure*: keep its picture if it was saved, otherwise discard it."""
        entry = self._find(figure)
        if entry is None:
            return
        if entry.is_saved:
            self._draw(entry)
        entry.figure, entry.is_done = None, entry.picture is None
        self._publish_leading()

    def show(self) -> None:
        """Publish all figures that are open and close them, as a window's user would: each at once, to free its memory.

        A figure that can't be drawn (bad math text, say) does not stop the others; its error is raised afterwards.
        """
        failure: Exception | None = None
        for entry in list(self._entries):
            figure = entry.figure
            try:
                self._draw_with_room(entry)
            except Exception as error:  # noqa: BLE001  # drawing runs the caller's artists; re-raised below
                entry.is_done, failure = True, failure or error.with_traceback(None)  # its frames hold the pixels
            self._publish_leading()
            if figure is not None:
                plt.close(figure)
            entry.figure = figure = None
        Gcf.destroy_all()
        if failure is not None:
            raise failure

    def finish(self) -> None:
        """End a run: publish what it left open or saved."""
        self.show()
        self._entries.clear()

    def displayed(self, figure: Figure) -> Picture | None:
        """The picture for an explicit ``display(figure)`` of a figure that does not come in its turn anyway."""
        if figure in self._published:
            return None
        entry = self._find(figure)
        if entry is not None:
            entry.is_saved = True
            return None
        picture = self._render(figure)
        if picture is not None:
            self._published.add(figure)
            self.count += 1
        return picture

    def _find(self, figure: Figure) -> _Entry | None:
        return next((entry for entry in self._entries if entry.figure is figure), None)

    def _draw(self, entry: _Entry) -> None:
        if entry.picture is None and not entry.is_done and entry.figure is not None:
            entry.picture = self._render(entry.figure)
            self._published.add(entry.figure)
            if entry.picture is None:
                entry.is_done = True

    def _draw_with_room(self, entry: _Entry) -> None:
        """Draw *entry*; if memory is short, collect the garbage of earlier figures and try again."""
        try:
            self._draw(entry)
        except MemoryError:
            pass  # retried below, when this error no longer references anything
        else:
            return
        gc.collect()
        self._draw(entry)

    def _publish_leading(self) -> None:
        while self._entries and (self._entries[0].is_done or self._entries[0].picture is not None):
            entry = self._entries.pop(0)
            if entry.picture is not None and not entry.is_done:
                self.count += 1
                self.publish(entry.picture)

    def _render(self, figure: Figure) -> Picture | None:
        if drawing.is_empty(figure) or self.is_shown(figure):
            return None
        was_drawing, self._is_drawing = self._is_drawing, True
        try:
            return drawing.render(figure, self.format, (self.dpi or figure.dpi) * self.scale, self.chart_bytes)
        finally:
            self._is_drawing = was_drawing
            figure.stale = False  # it was in other sizes for a moment; that is no change


def _ignore(_picture: Picture) -> None:
    """Placeholder until a kernel is attached."""


gallery = Figures(_ignore)
"""The figures of this process, at module level because a matplotlib backend is a module."""


class Manager(FigureManagerBase):
    """Tells FIGURES what pyplot does with a figure."""

    def __init__(self, canvas: FigureCanvasBase, num: int) -> None:
        super().__init__(canvas, num)
        gallery.opened(canvas.figure)

    def show(self) -> None:
        """Do nothing: the figure is published at its place, once it is complete."""

    def destroy(self) -> None:
        """Close the figure."""
        gallery.closed(self.canvas.figure)
        super().destroy()

    @classmethod
    def pyplot_show(cls, *, block: bool | None = None) -> None:
        """Implements ``plt.show()``."""
        gallery.show()


class FigureCanvas(FigureCanvasAgg):
    """Agg's canvas; only its manager differs."""

    manager_class = Manager


def install() -> None:
    """Make this the permanent backend, and record every saved figure."""
    plt.switch_backend(BACKEND)
    plt.switch_backend = _stay
    matplotlib.use = _stay
    _watch_saving()


def _stay(backend: str, *, force: bool = True) -> None:
    """Accept any backend without effect: windows can't open here, and code that selects Agg wants its figures, too."""


def _watch_saving() -> None:
    save = Figure.savefig

    def savefig(self: Figure, *args: Any, **kwargs: Any) -> None:
        save(self, *args, **kwargs)
        gallery.saved(self)

    savefig.__doc__, savefig.__wrapped__ = save.__doc__, save  # type: ignore[attr-defined]  # as functools.wraps does
    Figure.savefig = savefig

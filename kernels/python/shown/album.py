"""Each picture of a run once, whatever it was made with: what PIL saved, and what was saved first and then shown.

A picture counts when code shows it or saves it. Code often does both, with the bytes of a file or a buffer in between; so
the album remembers what was written, and recognizes it when it is shown. Only runs of the gateway's own API have an album:
Jupyter clients get what IPython shows.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from matplotlib.figure import Figure

from kernels.python.shown.written import mime_of
from kernels.serving import attribution
from kernels.serving.texts import cuts

PLOTLY = "application/vnd.plotly.v1+json"
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
MAX_SAVED = 16
MAX_BYTES = 4 * 1024 * 1024
"""What a run's saved pictures may take together. Later ones are files, as all are, and the answer says so."""
KEPT_BYTES = 512 * 1024
"""A larger file of a figure is not recognized when code opens it as an image."""
PLOTLY_PAGE_CHARS = 64 * 1024
"""A longer page beside a plotly figure is left out: it holds the figure's data a second time."""

SVG_START, HEAD_BYTES = b"<svg", 1024

Bundle = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Saved:
    """A picture that code saved: its type, base64 and a text; *keys* tell it from others."""

    mime: str
    base64: str
    text: str
    keys: frozenset[bytes]


@dataclass(slots=True)
class _State:
    """What was written of a figure since it last changed, and whether that was shown."""

    keys: set[bytes] = field(default_factory=set)
    is_shown: bool = False
    is_drawn: bool = False
    """Whether matplotlib's backend has shown it."""


def _ignore(_bundle: Bundle) -> None:
    """Placeholder until a kernel is attached."""


@dataclass(slots=True)
class Album:
    """The pictures of the current run that matplotlib's backend does not know of. *publish* takes a bundle to display."""

    publish: Callable[[Bundle], None] = _ignore
    is_open: bool = False
    has_pictures: bool = False
    """Whether the run has shown a picture or a plotly figure."""
    _request: Any = None
    _saved: list[Saved] = field(default_factory=list)
    _shown: set[bytes] = field(default_factory=set)
    _figures: WeakKeyDictionary[Figure, _State] = field(default_factory=WeakKeyDictionary)
    _drawn: set[bytes] = field(default_factory=set)
    """What was written of figures that the backend has shown in the same state."""
    _files: deque[bytes] = field(default_factory=lambda: deque(maxlen=MAX_SAVED))
    """The PNG files of figures that were written last."""
    _left_bytes: int = MAX_BYTES

    def begin(self) -> None:
        """Start a run: nothing of an earlier one is left."""
        self.close()
        self.is_open, self.has_pictures, self._left_bytes = True, False, MAX_BYTES
        self._request = attribution.request_here(None)

    @property
    def is_for_caller(self) -> bool:
        """Whether the code that asks is the run's own, and not a thread or task that an earlier one left."""
        return self.is_open and attribution.request_here(self._request) is self._request

    def close(self) -> None:
        """Take no more pictures, and forget those there are."""
        self.is_open, self._request = False, None
        self._saved.clear()
        self._shown.clear()
        self._figures.clear()
        self._drawn.clear()
        self._files.clear()

    def finish(self) -> None:
        """End a run: show what it saved and did not show."""
        for saved in self._saved:
            self.has_pictures = True
            self.publish({saved.mime: saved.base64, "text/plain": saved.text})
        self.close()

    # ---- what is saved -----------------------------------------------------------------------------------------------

    def has_room(self) -> bool:
        """Whether one more saved picture is taken; if not, the answer says so."""
        if len(self._saved) >= MAX_SAVED:
            cuts.happened = True
        return len(self._saved) < MAX_SAVED

    def save(self, data: bytes, text: str, pixels: bytes | None) -> None:
        """Note a picture of these bytes that code saved; *pixels* is the digest of what it shows, where that is known."""
        mime = mime_of(data)
        if mime is None:
            return
        encoded = base64.b64encode(data).decode("ascii")
        keys = frozenset({_key(encoded), *(() if pixels is None else (pixels,))})
        if keys & self._shown or any(keys & saved.keys for saved in self._saved):
            return
        if len(encoded) > self._left_bytes:
            cuts.happened = True
            return
        self._left_bytes -= len(encoded)
        self._saved.append(Saved(mime, encoded, text, keys))

    def save_figure(self, figure: Figure, data: bytes, *, has_changed: bool) -> None:
        """Note that *figure* was written as *data*; *has_changed*: it is not what it was when it was last written."""
        key = _svg_key(data) if SVG_START in data[:HEAD_BYTES] else _key(base64.b64encode(data).decode("ascii"))
        if len(data) <= KEPT_BYTES and mime_of(data) == "image/png":
            self._files.append(data)
        state = self._figures.get(figure)
        if state is None or has_changed:
            state = self._figures[figure] = _State()
        state.keys.add(key)
        if state.is_drawn:
            self._drawn.add(key)

    # ---- what is shown -----------------------------------------------------------------------------------------------

    def is_figure_shown(self, figure: Figure) -> bool:
        """Whether the run has shown a picture of *figure* as it is now. If not, the caller is about to."""
        if not self.is_open:
            return False
        state = self._figures.get(figure)
        if state is None or figure.stale:
            state = self._figures[figure] = _State()
        if not state.is_shown:
            state.is_drawn = True
            self._drawn |= state.keys
        return state.is_shown

    def files_of(self, width: int, height: int) -> Iterator[bytes]:
        """The PNG files of figures that have this size."""
        size = struct.pack(">II", width, height)
        return (data for data in tuple(self._files) if data[16:24] == size)

    def show_pixels(self, pixels: bytes | None) -> None:
        """Note that an image with these pixels is shown."""
        if pixels is not None:
            self._note({pixels})

    def show(self, bundle: Bundle, read: Callable[[Figure], Bundle]) -> Bundle:
        """What to show of *bundle*: without a picture that is there already. *read* tells a figure's data."""
        if not self.is_for_caller:
            return bundle
        self.has_pictures = self.has_pictures or any(kind in bundle for kind in (*PICTURES, PLOTLY))
        if PLOTLY in bundle and len(str(bundle.get("text/html", ""))) > PLOTLY_PAGE_CHARS:
            bundle = {kind: value for kind, value in bundle.items() if kind != "text/html"}
        keys = {kind: _key_of(kind, text) for kind in PICTURES if (text := _text(bundle.get(kind)))}
        self._note({*keys.values(), *self._inside(bundle.get("text/html"))})
        again = {kind for kind, key in keys.items() if key in self._drawn}
        if again:
            return {kind: value for kind, value in bundle.items() if kind not in again}
        for figure, state in list(self._figures.items()):
            if state.keys & set(keys.values()) and not figure.stale:
                state.is_shown = True
                return {**bundle, **read(figure)}
        return bundle

    def _note(self, keys: set[bytes]) -> None:
        self._shown |= keys
        self._saved = [saved for saved in self._saved if not saved.keys & keys]

    def _inside(self, html: object) -> set[bytes]:
        """The keys of saved pictures that stand in *html*, as data URIs do."""
        if not isinstance(html, str):
            return set()
        return {key for saved in self._saved if saved.base64 in html for key in saved.keys}


def _text(value: object) -> str:
    """A picture in a bundle as base64 without white space around it; IPython's formatters may give bytes."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value.strip() if isinstance(value, str) else ""


def _key_of(kind: str, text: str) -> bytes:
    return _svg_key(text.encode("utf-8", "surrogatepass")) if kind == "image/svg+xml" else _key(text)


def _svg_key(data: bytes) -> bytes:
    """The key of what an SVG draws: IPython's SVG class changes what precedes that, and white space."""
    start, end = data.find(b">", data.find(SVG_START)), data.rfind(b"</svg>")
    drawn = data[max(start, 0) : end if end > 0 else None]
    return hashlib.blake2b(drawn.translate(None, b" \t\r\n"), digest_size=16).digest()


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


album = Album()
"""The album of this process, at module level because libraries' methods write to it."""

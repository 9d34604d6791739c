"""Teaches PIL and matplotlib to tell the album what they save, and IPython how to show PIL's images."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
from typing import Any

from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image, ImageShow

from kernels.python.shown import drawing
from kernels.python.shown.album import album
from kernels.python.shown.figures import gallery
from kernels.python.shown.written import mime_of, position, read_back

MAX_PIXELS = 4 * 1024 * 1024
"""Larger images are told apart by the bytes they are saved as."""
NEAR_FRAMES = 8
_FIGURES = ("matplotlib.backends.", "matplotlib.backend_bases", "matplotlib.animation")
"""What saves an image for these modules saves a figure, which is shown in its turn."""


class Viewer(ImageShow.Viewer):
    """What ``Image.show()`` uses: it displays the image, once, as IPython does."""

    def show(self, image: Image.Image, **_options: Any) -> bool:
        """Display *image*."""
        display(image)
        return True


def install(shell: Any) -> None:
    """Set everything up, for good."""
    ImageShow.register(Viewer(), 0)
    formatters = shell.display_formatter.formatters
    formatters["image/png"].for_type(Image.Image, _png)
    formatters["image/jpeg"].for_type(Image.Image, _jpeg)
    gallery.is_shown = album.is_figure_shown
    _watch_images()
    _watch_figures()


def _png(image: Image.Image) -> bytes:
    if not album.is_for_caller:
        return _as_png(image)
    pixels = _digest(image)
    album.show_pixels(pixels)
    return _file_of_figure(image, pixels) or _as_png(image)


def _file_of_figure(image: Image.Image, pixels: bytes | None) -> bytes | None:
    """The file that code opened as *image* and has not changed, if it wrote a figure to it before: the album knows it."""
    for data in album.files_of(image.width, image.height):
        with Image.open(io.BytesIO(data)) as written:
            if pixels is not None and _digest(written) == pixels:
                return data
    return None


def _as_png(image: Image.Image) -> bytes:
    """PNG, in the nearest mode if there is none in the image's own."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, "PNG", compress_level=1)
    except OSError:  # PNG has no such mode
        image.convert(Image.getmodebase(image.mode)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _jpeg(_image: Image.Image) -> None:
    """Nothing: a second form of the same picture, which PIL would offer beside PNG."""


def _digest(image: Image.Image) -> bytes | None:
    """What tells the picture from others; None for a large one."""
    if image.width * image.height > MAX_PIXELS:
        return None
    with contextlib.suppress(Exception):  # a broken file, say: PIL says so when the code itself uses it
        shape = f"{image.mode} {image.size} {image.getpalette() if image.mode == 'P' else ''}"
        return hashlib.blake2b(image.tobytes(), key=hashlib.blake2b(shape.encode()).digest(), digest_size=16).digest()
    return None


def _watch_images() -> None:
    usual = Image.Image.save

    def save(self: Image.Image, fp: Any, format: str | None = None, **params: Any) -> None:  # noqa: A002  # PIL's own name
        start = position(fp)
        usual(self, fp, format, **params)
        if album.is_for_caller and not _is_within_a_library(inspect.currentframe()) and album.has_room():
            with contextlib.suppress(Exception):  # the image is saved: what fails here is not the author's affair
                _note(self, fp, start, is_one=not (params.get("save_all") or params.get("append_images")))

    Image.Image.save = _disguised(save, usual)  # type: ignore[method-assign]


def _note(image: Image.Image, target: Any, start: int, *, is_one: bool) -> None:
    data = read_back(target, start)
    if data is not None and mime_of(data) is None and image.width * image.height <= MAX_PIXELS:
        data = _as_png(image)
    if data is not None:
        text = f"<{type(image).__name__} image mode={image.mode} size={image.width}x{image.height}>"
        album.save(data, text, _digest(image) if is_one else None)


def _is_within_a_library(frame: Any) -> bool:
    """Whether what called the method of *frame* is PIL itself, or a kernel's own code, or matplotlib with a figure."""
    frame = frame.f_back
    if _module(frame).startswith(("PIL.", "kernels.")):
        return True
    for _ in range(NEAR_FRAMES):
        if frame is None:
            return False
        if _module(frame).startswith(_FIGURES):
            return True
        frame = frame.f_back
    return False


def _module(frame: Any) -> str:
    name = frame.f_globals.get("__name__")
    return name if type(name) is str else ""


def _watch_figures() -> None:
    usual = Figure.savefig

    def savefig(self: Figure, fname: Any, *args: Any, **kwargs: Any) -> None:
        if not album.is_for_caller or drawing.is_empty(self):
            usual(self, fname, *args, **kwargs)
            return
        has_changed, start = self.stale, position(fname)
        usual(self, fname, *args, **kwargs)
        data = read_back(fname, start)
        if data is not None:
            album.save_figure(self, data, has_changed=has_changed)
            self.stale = False  # saving draws it in other colours and sizes for a moment; that is no change

    Figure.savefig = _disguised(savefig, usual)  # type: ignore[method-assign]


def _disguised(function: Any, usual: Any) -> Any:
    """*function*, with name, text and signature of what it stands for."""
    function.__doc__, function.__wrapped__ = usual.__doc__, usual
    return function

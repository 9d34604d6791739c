"""Fonts for charts: glyphs of most scripts whatever font the code asks for, and a warning where none has one.

Fonts stay open across the fork. Matplotlib closes them because children would share the position in the font's file;
here they are read from memory, which children do not share.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import io
import logging
import mmap
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any

from matplotlib import _text_helpers, font_manager, ft2font

from kernels.python.shown import glyphs

CJK = "noto_cjk_sans_otc"
"""The package with a font of Chinese, Japanese and Korean glyphs; many systems have such a font."""
SCRIPTS = "manimgx_fonts"
"""The package with a font for each of the other scripts: Devanagari, Thai, Tamil..."""
FAMILIES = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Source Han Sans",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
)
"""Families that cover Chinese, Japanese and Korean in one file, best first."""
HELD_BYTES = 4 * 1024 * 1024
"""Fonts up to this size are held in memory: FreeType makes thousands of small reads for one figure."""
_opening = threading.RLock()


def configure() -> list[str]:
    """Prepare fonts; returns the files that text falls back to, in this order."""
    # A family that is not there is no news to callers: they can't install fonts, and its glyphs come from another.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.CRITICAL)
    logging.getLogger("matplotlib.mathtext").setLevel(logging.WARNING)  # a formula's own way to say what has no glyph
    _text_helpers.warn_on_missing_glyph = glyphs.missing.note
    _stay_open()
    paths = _paths_of_cjk()
    for path in _packaged(SCRIPTS, "*.ttf"):
        font_manager.fontManager.addfont(path)
        paths.append(str(path))
    _fall_back_to(paths)
    return paths


def _paths_of_cjk() -> list[str]:
    family = _installed()
    if family is None:
        for path in _packaged(CJK, "*.ttc"):
            font_manager.fontManager.addfont(path)
        family = _installed()
    if family is None:
        return []
    return [str(font_manager.findfont(font_manager.FontProperties(family=family), fallback_to_default=False))]


def _installed() -> str | None:
    present = {entry.name for entry in font_manager.fontManager.ttflist}
    return next((family for family in FAMILIES if family in present), None)


def _packaged(package: str, kind: str) -> list[Path]:
    """The font files of *package*; none if it is not installed."""
    found = importlib.util.find_spec(package)
    folders = found.submodule_search_locations if found else None
    return sorted(path for folder in folders or () for path in Path(folder).glob(kind))


def _fall_back_to(paths: Sequence[str]) -> None:
    """Append *paths* to whatever fonts a text asks for: user code often names a list of its own, and styles do."""
    find = font_manager.FontManager._find_fonts_by_props

    @functools.wraps(find)
    def find_with_fallback(self: Any, *args: Any, **kwargs: Any) -> list[Any]:
        found = find(self, *args, **kwargs)
        return [*found, *(path for path in paths if path not in found)]

    font_manager.FontManager._find_fonts_by_props = find_with_fallback


def _stay_open() -> None:
    original = getattr(font_manager._get_font, "__wrapped__", None)
    if original is None:  # other versions of matplotlib store fonts differently: they reopen them after the fork
        return
    names = {**vars(font_manager), "ft2font": SimpleNamespace(FT2Font=_open)}
    copy = FunctionType(original.__code__, names, original.__name__, original.__defaults__, original.__closure__)
    copy.__kwdefaults__ = original.__kwdefaults__
    font_manager._get_font = functools.lru_cache(64)(copy)


def _open(path: Any, **options: Any) -> Any:
    """The font at *path*, which it knows: given an open file it would take that for its name, which backends ask for."""
    name = str(path)
    opens = io.open

    def open_mapped(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        return _contents(name) if (file, mode) == (name, "rb") else opens(file, mode, *more, **named)

    with _opening:
        io.open = open_mapped  # type: ignore[assignment]  # what FT2Font opens a path with
        try:
            return ft2font.FT2Font(name, **options)
        finally:
            io.open = opens


def _contents(path: str) -> InMemory | Mapped:
    return InMemory(path) if Path(path).stat().st_size <= HELD_BYTES else Mapped(path)


@functools.lru_cache(16)
def _bytes_of(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


class InMemory(io.BytesIO):
    """A file's bytes in memory, shared by all that read the file; it knows its name, as an open file does."""

    def __init__(self, path: str) -> None:
        super().__init__(_bytes_of(path))
        self.name = path


class Mapped(io.RawIOBase):
    """A file read through a mapping that needs no open descriptor."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.name = path
        self._at = 0
        self._view = _map(path)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next *size* bytes, or all that are left."""
        end = len(self._view) if size is None or size < 0 else self._at + size
        data = bytes(self._view[self._at : end])
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to another position."""
        self._at = offset + {0: 0, 1: self._at, 2: len(self._view)}[whence]
        return self._at

    def tell(self) -> int:
        """The position."""
        return self._at


def _map(path: str) -> memoryview:
    """The bytes of a file, mapped for as long as the process lives: fonts are never unloaded."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    with open(path, "rb", buffering=0) as file:
        size = Path(path).stat().st_size
        address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_PRIVATE, file.fileno(), 0)
    if address in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "a font can't be mapped", path)
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")

"""Warnings of characters that no font has a glyph for, as matplotlib gives them: once a run for each character.

Figures are drawn more than once, and mostly by the kernel at the end of a run, where other warnings are ignored because
they are about the kernel's own code.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

MOST = 20
"""How many characters of one run are named."""
DRAWN_BY_US = "<figure>"
"""The place of a warning that no line of the caller led to."""
_OTHERS = ("matplotlib", "mpl_toolkits", "kernels")


@dataclass(slots=True)
class MissingGlyphs:
    """The characters of the current run that are drawn as boxes."""

    _told: set[int] = field(default_factory=set)
    _later: list[str] | None = None

    def begin(self) -> None:
        """Start a run: each character is named anew."""
        self._told.clear()

    def note(self, codepoint: int, _fonts: str) -> None:
        """Warn that *codepoint* has no glyph in any font."""
        if codepoint in self._told or len(self._told) > MOST:
            return
        self._told.add(codepoint)
        text = _sentence(codepoint) if len(self._told) <= MOST else "Glyphs of more characters are missing from all fonts."
        if self._later is None:
            _warn(text)
        else:
            self._later.append(text)

    @contextmanager
    def told_afterwards(self) -> Iterator[None]:
        """Give the warnings of the block after it, with the filters in force then."""
        kept, self._later = self._later, []
        try:
            yield
        finally:
            texts, self._later = self._later, kept
            for text in texts:
                warnings.warn_explicit(text, UserWarning, DRAWN_BY_US, 1)


missing = MissingGlyphs()


def _sentence(codepoint: int) -> str:
    name = chr(codepoint).encode("ascii", "namereplace").decode("ascii")
    return f"Glyph {codepoint} ({name}) missing from all fonts."


def _warn(text: str) -> None:
    """Warn at the line that called matplotlib, whoever is between."""
    frame: Any = sys._getframe()
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _OTHERS:
        frame = frame.f_back
    if frame is None:
        warnings.warn_explicit(text, UserWarning, DRAWN_BY_US, 1)
    else:
        warnings.warn_explicit(text, UserWarning, frame.f_code.co_filename, frame.f_lineno)

"""Fonts for charts: glyphs for Chinese, Japanese and Korean text wherever a font has them, and no warning where not."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from pathlib import Path

import matplotlib
from matplotlib import _text_helpers, font_manager

PACKAGE = "noto_cjk_sans_otc"
FAMILIES = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK TC",
    "Noto Sans CJK KR",
    "Source Han Sans",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
)
"""Families that cover Chinese, Japanese and Korean in one file, best first."""


def configure() -> str | None:
    """Put a font with CJK glyphs behind the usual one; answers with its family, or None when there is none."""
    silence()
    family = _installed() or _packaged()
    if family is not None:
        for group in ("font.sans-serif", "font.serif", "font.monospace"):
            names = list(matplotlib.rcParams[group])
            matplotlib.rcParams[group] = [names[0], family, *names[1:]]
        # Styles such as seaborn's name their own list: matplotlib falls back within "font.family" as well.
        matplotlib.rcParams["font.family"] = ["sans-serif", family]
    return family


def _installed() -> str | None:
    present = {entry.name for entry in font_manager.fontManager.ttflist}
    return next((family for family in FAMILIES if family in present), None)


def _packaged() -> str | None:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    for folder in found.submodule_search_locations:
        for path in sorted(Path(folder).rglob("*.ttc")):
            font_manager.fontManager.addfont(path)
    return _installed()


def silence() -> None:
    """Keep messages about missing glyphs and families from the caller: he can't install fonts."""
    logging.getLogger("matplotlib.font_manager").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
    _text_helpers.warn_on_missing_glyph = lambda codepoint, fontnames: None

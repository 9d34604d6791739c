"""Characters that programs for people put into code and no language takes: what to write in their place."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

BOM: Final = "\ufeff"
"""Some editors begin a file with it; at the start of code it means nothing."""
_DOUBLE_QUOTES: Final = "“”„‟«»″"  # these are the characters to explain
_SINGLE_QUOTES: Final = "‘’‚‛‹›′´"
_PLAIN: Final[Mapping[str, str]] = {
    **dict.fromkeys(_DOUBLE_QUOTES, '"'),
    **dict.fromkeys(_SINGLE_QUOTES, "'"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("×∗", "*"),
    **dict.fromkeys("÷∕", "/"),
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "、": ",",
    "。": ".",
}
_MODIFIERS: Final = "\u180e\ufe0e\ufe0f"
"""Invisible, but not by their category: the Mongolian vowel separator of old texts, and selectors of emoji."""


def advice(character: str, line: int) -> str:
    """What to do about *character*, which *line* has where code can't have it; "" where nothing is known."""
    name = unicodedata.name(character, "").lower()
    code = f"U+{ord(character):04X}"
    plain = "" if character.isascii() else plain_form(character)
    if plain == " ":
        return f"line {line} has {_with_article(name)} ({code}): replace it by a space"
    if plain:
        return f"line {line} has {character} ({name}, {code}): replace it by {plain}"
    if unicodedata.category(character) in ("Cf", "Cc") or character in _MODIFIERS:
        return f"line {line} has an invisible character ({name or 'a control character'}, {code}): delete it"
    return ""


def plain_form(character: str) -> str:
    """The ASCII that stands for *character* in code; "" if there is none."""
    if character in _PLAIN:
        return _PLAIN[character]
    if unicodedata.category(character) == "Zs":
        return " "
    form = unicodedata.normalize("NFKC", character)  # full-width letters, digits and signs
    return form if len(form) == 1 and form.isascii() and form.isprintable() else ""


def closing_quote(text: str, quote: str) -> str:
    """The last typographic quote of *text* that a writer may have meant as *quote*; "" if there is none."""
    meant = _DOUBLE_QUOTES if quote == '"' else _SINGLE_QUOTES
    return next((character for character in reversed(text) if character in meant), "")


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"

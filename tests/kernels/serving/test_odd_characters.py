"""Which characters are explained, and how."""

from __future__ import annotations

import pytest

from kernels.serving.odd_characters import advice, closing_quote


@pytest.mark.parametrize(
    ("character", "said"),
    [
        ("\u00a0", "line 7 has a no-break space (U+00A0): replace it by a space"),
        ("\u3000", "line 7 has an ideographic space (U+3000): replace it by a space"),
        ("\u200b", "line 7 has an invisible character (zero width space, U+200B): delete it"),
        ("\ufe0f", "line 7 has an invisible character (variation selector-16, U+FE0F): delete it"),
        ("\x07", "line 7 has an invisible character (a control character, U+0007): delete it"),
        ("\U000e0041", "line 7 has an invisible character (tag latin capital letter a, U+E0041): delete it"),
        ("\u2019", "line 7 has \u2019 (right single quotation mark, U+2019): replace it by '"),
        ("\u2014", "line 7 has \u2014 (em dash, U+2014): replace it by -"),
        ("\uff0c", "line 7 has \uff0c (fullwidth comma, U+FF0C): replace it by ,"),
        ("\u2264", "line 7 has \u2264 (less-than or equal to, U+2264): replace it by <="),
        ("\u20ac", ""),
        ("$", ""),
        ("?", ""),
        ("\ud800", ""),
        ("\ue000", ""),
    ],
)
def test_a_character_is_named_with_what_to_write_in_its_place(character: str, said: str) -> None:
    """Of the others, nobody knows what was meant."""
    assert advice(character, 7) == said


@pytest.mark.parametrize(
    ("text", "quote", "found"),
    [("it\u201d)", '"', "\u201d"), ("it\u201d)", "'", ""), ("\u2018it\u2019s\u2019", "'", "\u2019"), ("it", '"', "")],
)
def test_a_string_was_meant_to_end_at_the_last_quote_of_its_kind(text: str, quote: str, found: str) -> None:
    """An apostrophe within it is one, too, and stands before that."""
    assert closing_quote(text, quote) == found

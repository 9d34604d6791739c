"""Text that may leave a kernel: valid Unicode of bounded length."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

DIGITS = 100_000
"""Maximum digits of an integer; the time to write it grows with the square of its length (100,000: 0.1 s)."""


class Cuts:
    """Whether anything was cut since the run began; the reply reports it."""

    happened = False


cuts = Cuts()


def clean(text: str) -> str:
    """*text* with lone surrogates replaced, so that it is valid UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def cut(text: str, chars: int) -> str:
    """*text* without its middle if it is longer than *chars*."""
    if len(text) <= chars:
        return text
    cuts.happened = True
    half = chars // 2
    return f"{text[:half]}\n... [{len(text) - 2 * half} characters left out] ...\n{text[-half:]}"


def type_name(kind: type) -> str:
    """The plain name of *kind*, whatever its metaclass says."""
    name = type.__dict__["__name__"].__get__(kind)
    return clean(str.__str__(name))[:200]  # str() would call the method of a subclass, which a name may be of


@contextmanager
def many_digits() -> Iterator[None]:
    """Let integers up to DIGITS digits become text inside the block; Python's own limit is 4300."""
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(max(DIGITS, usual))
    try:
        yield
    finally:
        sys.set_int_max_str_digits(usual)


def digits_of(value: int) -> str | None:
    """The digits of *value*, or None when they are more than DIGITS."""
    if value.bit_length() > DIGITS * 3.33:  # certainly too long, and Python would need some time to find out
        return None
    try:
        with many_digits():
            text = int.__repr__(value)
    except ValueError:
        return None
    # From Python 3.12 on long integers may have a few digits more than its limit says.
    return text if len(text.lstrip("-")) <= DIGITS else None


def about_digits(value: int) -> str:
    """The length of *value* and the limit, for messages."""
    return f"an integer of about {int(value.bit_length() * 0.30103):,} digits; up to {DIGITS:,} are written out"

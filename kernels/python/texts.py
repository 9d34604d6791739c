"""Text that may leave a kernel: valid Unicode, and not endless."""

from __future__ import annotations


def clean(text: str) -> str:
    """*text* with lone surrogates replaced, so that it is valid UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def cut(text: str, chars: int) -> str:
    """*text*, its middle left out when it is longer than *chars*."""
    if len(text) <= chars:
        return text
    half = chars // 2
    return f"{text[:half]}\n... [{len(text) - 2 * half} characters left out] ...\n{text[-half:]}"


def type_name(kind: type) -> str:
    """The plain name of *kind*, whatever its metaclass says."""
    return clean(str(type.__dict__["__name__"].__get__(kind)))[:200]

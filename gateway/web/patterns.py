"""What texts in requests may look like, as the API description shows it: regular expressions that JSON Schema readers know.

They are anchored, and look neither ahead nor behind. Where a check can't be one of them, a test compares the two.
"""

from __future__ import annotations

_CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
# What Python takes for white space.
_BLANK = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

NO_NUL = r"^[^\u0000]*$"
SOURCE = rf"^[^\u0000]*[^\u0000{_BLANK}][^\u0000]*$"
"""Code: not blank, no NUL."""
ONE_LINE = rf"^[^{_CONTROLS}]*$"
ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"
PACKAGE = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"


def _name(without: str) -> str:
    """One part of a path that is neither ``.`` nor ``..``, of 255 characters at most."""
    inner, first = f"[^/{without}]", f"[^./{without}]"
    return rf"({first}{inner}{{0,254}}|\.{first}{inner}{{0,253}}|\.\.{inner}{{1,253}})"


_FILE_NAME = _name(r"\u0000")
FILE = rf"^{_FILE_NAME}(/{_FILE_NAME})*$"
"""A file below the work directory."""
_DIRECTORY_NAME = rf"({_name(_CONTROLS)}|\.)"
DIRECTORY = rf"^({_DIRECTORY_NAME}(/+{_DIRECTORY_NAME})*/*)?$"
"""A directory in the work directory, which is itself the empty text."""

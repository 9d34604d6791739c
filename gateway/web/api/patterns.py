"""The forms of texts in requests, as regular expressions that JSON Schema allows; the API description shows them.

They are anchored, and look neither ahead nor behind. Where a check is not one of them, a test compares the two.
"""

from __future__ import annotations

_CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
# The characters that Python's str.strip() removes.
_BLANK = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

NO_NUL = r"^[^\u0000]*$"
SOURCE = rf"^[^\u0000]*[^\u0000{_BLANK}][^\u0000]*$"
"""Code: not blank, no NUL."""
ONE_LINE = rf"^[^{_CONTROLS}]*$"
ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"
METADATA_NAME = rf"^[^{_CONTROLS}]{{1,128}}$"
PACKAGE = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"


def _name(without: str) -> str:
    """One part of a path: at most 255 characters, and neither ``.`` nor ``..``."""
    inner, first = f"[^/{without}]", f"[^./{without}]"
    return rf"({first}{inner}{{0,254}}|\.{first}{inner}{{0,253}}|\.\.{inner}{{1,253}})"


_FILE_NAME = _name(r"\u0000")
FILE = rf"^{_FILE_NAME}(/{_FILE_NAME})*$"
"""A file below the work directory."""
MODE = r"^0?[0-7]{3}$"
"""Permission bits in octal."""
_DIRECTORY_NAME = rf"({_name(_CONTROLS)}|\.)"
DIRECTORY = rf"^({_DIRECTORY_NAME}(/+{_DIRECTORY_NAME})*/*)?$"
"""A directory below the work directory; the empty text is the work directory itself."""
BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

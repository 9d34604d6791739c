"""Other names of the work directory, for programs that know it by another interpreter's.

They are symbolic links in the read-only root that all kernels see, so they cost a kernel nothing. A level without a root of
its own has none.
"""

from __future__ import annotations

import re
from typing import Final

DEFAULT: Final = ("/mnt/data", "/home/user", "/workspace")
MOST: Final = 16
ALLOWED: Final = f"up to {MOST} comma-separated absolute paths, none below /usr, /etc, /tmp or the like"
_ALIAS: Final = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){1,8}")
_TAKEN: Final = frozenset(
    (
        "bin",
        "dev",
        "etc",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "opt",
        "proc",
        "run",
        "sbin",
        "sys",
        "tmp",
        "usr",
        "var",
        "work",
    )
)


def find_fault(aliases: tuple[str, ...]) -> str:
    """What is wrong with *aliases*, as the end of a sentence; "" when they can all be links to the work directory."""
    if len(aliases) > MOST:
        return f"are more than {MOST}"
    for at, alias in enumerate(aliases):
        if not _ALIAS.fullmatch(alias):
            return f"hold {alias[:80]!r}: an alias is an absolute path of letters, digits, '.', '_' and '-'"
        if alias.split("/")[1] in _TAKEN:
            return f"hold {alias!r}: kernels have something else below /{alias.split('/')[1]}"
        if any(other == alias or other.startswith(f"{alias}/") for other in (*aliases[:at], *aliases[at + 1 :])):
            return f"hold {alias!r} twice, or another alias below it"
    return ""

"""The initial directory of a session, below the work directory."""

from __future__ import annotations

import os


class SetupError(Exception):
    """The kernel can't be set up as requested; the message says what to change."""

    __module__ = "builtins"  # the prefix in a traceback: callers do not know modules of the kernel


def make(cwd: str) -> str:
    """The path of the directory *cwd* below the current one, created if missing; raises SetupError."""
    path = _inside(os.getcwd(), cwd)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise SetupError(f"cwd can't be used: {error.strerror}") from None
    return path


def _inside(root: str, cwd: str) -> str:
    path = os.path.normpath(os.path.join(root, cwd))
    if path != root and not path.startswith(root.rstrip("/") + "/"):
        raise SetupError("cwd must be a directory below the work directory")
    return path

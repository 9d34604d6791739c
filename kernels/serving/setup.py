"""The directory that a session asks for, below the work directory."""

from __future__ import annotations

import os


class SetupError(Exception):
    """The kernel can't be set up as asked; the message says what to change."""

    __module__ = "builtins"  # what a traceback puts before the name: callers know no module of ours


def make(cwd: str) -> str:
    """The path of the directory *cwd* below the present one, made when it is missing; raises SetupError."""
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

"""Refuses at once what a run can't do here, with an error that says what to do instead."""

from __future__ import annotations

import re
import sys
from typing import Any, NoReturn

from IPython.core.error import StdinNotImplementedError, UsageError

PACKAGE_MAGICS = ("pip", "conda", "mamba", "micromamba", "uv")
NO_PACKAGES = (
    "{} is not available here: POST /code-interpreter/install installs the packages that OMEGA_EXTRA_PACKAGES allows"
)
PIP = re.compile(r"\s*(\S*python\S*\s+-m\s+)?pip[\d.]*\s+install\b(?![^\n]*\s(?:-t|--target|--prefix|--root)\b)[^;&|\n]*$")
"""A pip command for this Python; it would find no network, and print paths of this machine."""
NO_ANSWER = "{} is not available: a run can't ask for input"


class NoStdinError(StdinNotImplementedError, EOFError):
    """A run can't ask for input. It is an EOFError, too, for code that reads until the input ends."""

    __module__ = "builtins"


NoStdinError.__name__ = NoStdinError.__qualname__ = StdinNotImplementedError.__name__


def refuse_input(asked_by: str) -> NoReturn:
    """Raise the error for code that asks for input."""
    raise NoStdinError(NO_ANSWER.format(asked_by))


def install(shell: Any) -> None:
    """Refuse package magics, and ``breakpoint()`` in our own requests."""
    for name in PACKAGE_MAGICS:
        shell.register_magic_function(_refuse_packages(name), "line", name)
    usual = sys.breakpointhook

    def breakpointhook(*args: Any, **kwargs: Any) -> Any:
        if shell.is_ours:
            refuse_input("breakpoint()")
        return usual(*args, **kwargs)

    sys.breakpointhook = breakpointhook


def _refuse_packages(name: str) -> Any:
    def magic(_line: str) -> NoReturn:
        raise UsageError(NO_PACKAGES.format(f"%{name}"))

    magic.__name__, magic.__doc__ = name, f"%{name} is not available: kernels have no network."
    return magic

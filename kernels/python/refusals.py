"""Refuses at once what a run can't do here, with an error that says what to do instead."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from IPython.core.error import StdinNotImplementedError

NO_ANSWER = "{} is not available: a run can't ask for input"


class NoStdinError(StdinNotImplementedError, EOFError):
    """A run can't ask for input. It is an EOFError, too, for code that reads until the input ends."""

    __module__ = "builtins"


NoStdinError.__name__ = NoStdinError.__qualname__ = StdinNotImplementedError.__name__


def refuse_input(asked_by: str) -> NoReturn:
    """Raise the error for code that asks for input."""
    raise NoStdinError(NO_ANSWER.format(asked_by))


def install(shell: Any) -> None:
    """Refuse ``breakpoint()`` in our own requests."""
    usual = sys.breakpointhook

    def breakpointhook(*args: Any, **kwargs: Any) -> Any:
        if shell.is_ours:
            refuse_input("breakpoint()")
        return usual(*args, **kwargs)

    sys.breakpointhook = breakpointhook

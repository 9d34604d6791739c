"""Refuses at once what a run can't do here, with an error that says what to do instead."""

from __future__ import annotations

import bdb
import functools
import inspect
import pdb
import sys
from typing import Any, NoReturn

from IPython.core.error import StdinNotImplementedError

NO_ANSWER = "{} is not available: this run has no input"
NO_INPUT_HINT = "put what it would read into the code, or send it as stdin with the run"


class NoStdinError(StdinNotImplementedError, EOFError):
    """A run has no input. It is an EOFError, too, for code that reads until the input ends."""

    __module__ = "builtins"


NoStdinError.__name__ = NoStdinError.__qualname__ = StdinNotImplementedError.__name__


def refuse_input(asked_by: str) -> NoReturn:
    """Raise the error for code that asks for input."""
    raise NoStdinError(NO_ANSWER.format(asked_by))


def has_input() -> bool:
    """Whether ``sys.stdin`` is more than what each kernel begins with: a run's input, or an object that code put there."""
    return sys.stdin is not sys.__stdin__


def install(shell: Any) -> None:
    """Refuse, in our own requests without input, debuggers that would wait for commands for ever."""
    hook: Any = sys
    hook.breakpointhook = _with_input(shell, "breakpoint()", sys.breakpointhook)
    prompt: Any = pdb.Pdb
    prompt.interaction = _with_input(shell, "the debugger", prompt.interaction)
    debugger: Any = bdb.Bdb
    start = _with_input(shell, "set_trace()", debugger.set_trace)

    def set_trace(self: Any, frame: Any = None) -> None:
        """Start debugging at *frame*, or at the caller's."""
        here = inspect.currentframe()
        start(self, frame or (here and here.f_back))

    debugger.set_trace = set_trace


def _with_input(shell: Any, asked_by: str, usual: Any) -> Any:
    """*usual*; in our own requests it is refused without input, for which it would wait."""

    @functools.wraps(usual)
    def ask(*args: Any, **kwargs: Any) -> Any:
        if shell.is_ours and not has_input():
            refuse_input(asked_by)
        return usual(*args, **kwargs)

    return ask

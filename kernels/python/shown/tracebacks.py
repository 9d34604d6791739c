"""Plain tracebacks: the caller's frames and lines, without ANSI codes, frames of the kernel and paths of this machine."""

from __future__ import annotations

import contextlib
import errno
import linecache
import os
import re
import socket
import sys
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

from kernels.python.shown import exception_chains
from kernels.serving.failure import Failure
from kernels.serving.texts import clean, cut, type_name

CODE_NAME = "<code>"
TEXT_CHARS = 64 * 1024
MESSAGE_CHARS = 16 * 1024
EARLIER = "(earlier exceptions of the chain were dropped)\n\n"
HINT = (
    "Hint: {!r} is not installed here; POST /code-interpreter/install installs the packages that OMEGA_EXTRA_PACKAGES allows"
)
NO_NETWORK = "Hint: kernels have no network; send data with the code, or upload it as files of a session"
_MISSING = re.compile(r"Missing optional dependency '(\w+)'|.* requires (jinja2)\b")
_OWN_FRAMES = (
    "IPython",
    "ipykernel",
    "kernels" + os.sep + "python",
    "kernels" + os.sep + "serving",
    "tornado" + os.sep + "platform",
)


def describe(error: BaseException) -> Failure:
    """*error* as a Failure; never raises, whatever the exception's own methods do."""
    ename = type_name(type(error))
    return Failure(ename, message(error), render(error))


def render(error: BaseException) -> str:
    """The traceback of *error* and of the exceptions that led to it, as Python prints it."""
    try:
        with exception_chains.shortened(error) as is_cut:
            report = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
        _tidy(report)
        _add_hint(report, error)
        text = EARLIER * is_cut + "".join(report.format())
    except Exception as problem:  # noqa: BLE001  # hostile exceptions may raise anything while being formatted
        text = f"Traceback (most recent call last):\n{type_name(type(error))}: {message(error)}\n"
        text += f"(the full traceback could not be formatted: {type_name(type(problem))})\n"
    return clean(cut(text, TEXT_CHARS))


def message(error: BaseException) -> str:
    """str(error), shortened, or a sentence if that fails."""
    return clean(cut(text_of(error, "exception"), MESSAGE_CHARS))


def text_of(value: object, what: str = "value") -> str:
    """str(value), or a sentence if that fails."""
    try:
        return str.__str__(str(value))
    except Exception as problem:  # noqa: BLE001  # __str__ is the caller's code
        return f"<{what} str() failed: {type_name(type(problem))}>"


def _tidy(report: traceback.TracebackException) -> None:
    seen, waiting = set(), [report]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        one.stack = _Stack(_relabel(frame) for frame in _callers(one.stack))
        filename = getattr(one, "filename", None)
        if filename is not None:
            one.filename = _label(filename)
        linked = (one.__cause__, one.__context__, *(getattr(one, "exceptions", None) or ()))
        waiting += [each for each in linked if each is not None]


class _Stack(traceback.StackSummary):
    """Frames, one of which may represent many dropped ones."""

    def format_frame_summary(self, frame_summary: traceback.FrameSummary, **options: Any) -> str:
        """The lines of one frame."""
        if exception_chains.stands_for_many(frame_summary.filename, frame_summary.name):
            return f"  ... {frame_summary.lineno} frames left out ...\n"
        return super().format_frame_summary(frame_summary, **options)


def _callers(stack: Iterable[traceback.FrameSummary]) -> Iterator[traceback.FrameSummary]:
    """The frames that belong neither to the kernel nor to contextlib on its behalf."""
    is_within_ours = True
    for frame in stack:
        if exception_chains.stands_for_many(frame.filename, frame.name):
            yield frame
        elif _is_ours(frame.filename):
            is_within_ours = True
        elif not (is_within_ours and frame.filename == contextlib.__file__):
            is_within_ours = False
            yield frame


def _add_hint(report: traceback.TracebackException, error: BaseException) -> None:
    missing = _missing_module(error)
    if missing and missing not in sys.modules:
        report.__notes__ = [*(report.__notes__ or ()), HINT.format(missing)]
    elif _wanted_network(error):
        report.__notes__ = [*(report.__notes__ or ()), NO_NETWORK]


def _missing_module(error: BaseException) -> str:
    """The package that *error* reports as missing; pandas has its own wording."""
    if type(error) is ModuleNotFoundError and isinstance(error.name, str):
        return error.name.partition(".")[0]
    if type(error) in (ImportError, AttributeError) and len(error.args) == 1 and type(error.args[0]) is str:
        found = _MISSING.match(error.args[0][:MESSAGE_CHARS])
        return (found[1] or found[2]) if found else ""
    return ""


def _wanted_network(error: BaseException) -> bool:
    """Whether *error* is a failed look-up or connection; urllib wraps these."""
    if type(error) is getattr(sys.modules.get("urllib.error"), "URLError", None):
        error = error.reason  # type: ignore[attr-defined]  # an instance of exactly that class
    is_unreachable = type(error) is OSError and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    return is_unreachable or type(error) is socket.gaierror


def _is_ours(filename: str) -> bool:
    if filename.startswith("<"):
        return filename.startswith(("<frozen", "<decorator"))
    return any(f"{os.sep}{part}{os.sep}" in filename for part in _OWN_FRAMES)


def _relabel(frame: traceback.FrameSummary) -> traceback.FrameSummary:
    if exception_chains.stands_for_many(frame.filename, frame.name):
        return frame
    _ = frame.line  # reads the source under the true name before that changes
    frame.filename = _label(frame.filename)
    return frame


def _label(filename: str) -> str:
    """The name shown for a file: the caller's source as it is, else relative to where Python found it."""
    folders = [folder for folder in sys.path if folder and filename.startswith(folder + os.sep)]
    if folders:
        return filename[len(max(folders, key=len)) + 1 :]
    return filename


def remember_source(name: str, source: str) -> None:
    """Let tracebacks find the lines of *source* under *name*."""
    lines = f"{source}\n".splitlines(keepends=True)  # a line without its end gets its carets in the wrong place
    linecache.cache[name] = (len(source), None, lines, name)

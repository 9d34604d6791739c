"""Plain tracebacks: the caller's frames and lines, without ANSI codes, frames of the kernel and paths of this machine."""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

from kernels.python.shown import exception_chains, hints
from kernels.serving.failure import Failure
from kernels.serving.texts import clean, cut, type_name

CODE_NAME = "<code>"
TEXT_CHARS = 64 * 1024
MESSAGE_CHARS = 16 * 1024
EARLIER = "(earlier exceptions of the chain were dropped)\n\n"
_OWN_FRAMES = (
    "IPython",
    "ipykernel",
    "kernels" + os.sep + "python",
    "kernels" + os.sep + "serving",
    "tornado" + os.sep + "platform",
)


def describe(error: BaseException) -> Failure:
    """*error* as a Failure; never raises, whatever the exception's own methods do."""
    text, hint = _render(error)
    return Failure(type_name(type(error)), message(error), text, hint)


def _render(error: BaseException) -> tuple[str, str]:
    """The traceback of *error* and of the exceptions that led to it, as Python prints it; and the hint in its last line."""
    hint = ""
    try:
        with exception_chains.shortened(error) as is_cut:
            report = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
        _tidy(report)
        hint = hints.find_hint(error)
        if hint and hint not in str(report):
            report.__notes__ = [*(report.__notes__ or ()), f"Hint: {hint}"]
        text = EARLIER * is_cut + "".join(report.format())
    except Exception as problem:  # noqa: BLE001  # hostile exceptions may raise anything while being formatted
        text = f"Traceback (most recent call last):\n{type_name(type(error))}: {message(error)}\n"
        text += f"(the full traceback could not be formatted: {type_name(type(problem))})\n"
    return clean(cut(text, TEXT_CHARS)), hint


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

"""Plain tracebacks: the caller's own frames and lines, no ANSI codes, no frames of ours, no paths of this machine."""

from __future__ import annotations

import linecache
import os
import sys
import traceback
from dataclasses import dataclass

from kernels.python.texts import clean, cut, type_name

CODE_NAME = "<code>"
TEXT_CHARS = 64 * 1024
MESSAGE_CHARS = 16 * 1024
_OWN_FRAMES = ("IPython", "ipykernel", "kernels" + os.sep + "python", "tornado" + os.sep + "platform")


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as the caller gets it."""

    ename: str
    evalue: str
    traceback: str


def describe(error: BaseException) -> Failure:
    """*error* as a Failure; nothing the exception's own methods do can make this raise."""
    ename = type_name(type(error))
    return Failure(ename, message(error), render(error))


def render(error: BaseException) -> str:
    """The traceback of *error* and of the exceptions that led to it, as Python prints it."""
    try:
        report = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
        _tidy(report, set())
        text = "".join(report.format())
    except Exception as problem:  # noqa: BLE001  # hostile exceptions may raise anything while being formatted
        text = f"Traceback (most recent call last):\n{type_name(type(error))}: {message(error)}\n"
        text += f"(the full traceback could not be formatted: {type_name(type(problem))})\n"
    return clean(cut(text, TEXT_CHARS))


def message(error: BaseException) -> str:
    """str(error), or a sentence saying that it can't be had."""
    try:
        text = str(error)
    except Exception as problem:  # noqa: BLE001  # __str__ is the caller's code
        return f"<exception str() failed: {type_name(type(problem))}>"
    return clean(cut(text, MESSAGE_CHARS))


def _tidy(report: traceback.TracebackException, seen: set[int]) -> None:
    if id(report) in seen:
        return
    seen.add(id(report))
    kept = [_relabel(frame) for frame in report.stack if not _is_ours(frame.filename)]
    report.stack[:] = kept
    filename = getattr(report, "filename", None)
    if filename is not None:
        report.filename = _label(filename)
    for linked in (report.__cause__, report.__context__, *(getattr(report, "exceptions", None) or ())):
        if linked is not None:
            _tidy(linked, seen)


def _is_ours(filename: str) -> bool:
    if filename.startswith("<"):
        return filename.startswith(("<frozen", "<decorator"))
    return any(f"{os.sep}{part}{os.sep}" in filename for part in _OWN_FRAMES)


def _relabel(frame: traceback.FrameSummary) -> traceback.FrameSummary:
    _ = frame.line  # reads the source under the true name before that changes
    frame.filename = _label(frame.filename)
    return frame


def _label(filename: str) -> str:
    """The name shown for a file: ``<code>`` for the caller's source, else relative to where Python found it."""
    if filename.startswith(CODE_NAME[:-1]):
        return CODE_NAME
    folders = [folder for folder in sys.path if folder and filename.startswith(folder + os.sep)]
    if folders:
        return filename[len(max(folders, key=len)) + 1 :]
    return filename


def remember_source(name: str, source: str) -> None:
    """Let tracebacks find the lines of *source* under *name*."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)

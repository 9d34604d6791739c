"""Exceptions made short enough to be printed at once: runaway recursion leaves a traceback of a million frames."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType, TracebackType
from typing import Any

ENDS = 1000
"""How many frames are kept at each end of a traceback; Python's own recursion limit fits in whole."""
LINKS = 100
"""How many causing exceptions are shown for one."""
_LINKS: tuple[Any, ...] = (BaseException.__cause__, BaseException.__context__)
_TRACEBACK: Any = BaseException.__traceback__
_SUPPRESS: Any = BaseException.__suppress_context__


@contextmanager
def shortened(error: BaseException) -> Iterator[bool]:
    """Shorten the tracebacks and the chain of *error* inside the block, and say whether the chain had to be cut."""
    undo: list[Callable[[], object]] = []
    try:
        yield _shorten(error, undo)
    finally:
        for step in reversed(undo):
            step()


def _shorten(error: BaseException, undo: list[Callable[[], object]]) -> bool:
    seen, waiting, is_cut = {id(error)}, [error], False
    while waiting:
        one = waiting.pop(0)
        whole = _TRACEBACK.__get__(one)
        short = _without_middle(whole)
        if short is not whole:
            undo.append(partial(_TRACEBACK.__set__, one, whole))
            _TRACEBACK.__set__(one, short)
        for link in _LINKS:
            linked = link.__get__(one)
            if linked is not None and id(linked) not in seen and len(seen) >= LINKS:
                _unlink(one, link, undo)
                is_cut = True
        for linked in _linked(one):
            if id(linked) not in seen and len(seen) < LINKS:
                seen.add(id(linked))
                waiting.append(linked)
    return is_cut


def _linked(error: BaseException) -> list[BaseException]:
    found = [link.__get__(error) for link in _LINKS]
    if isinstance(error, BaseExceptionGroup):
        found += error.exceptions[:LINKS]
    return [linked for linked in found if linked is not None]


def _unlink(error: BaseException, link: Any, undo: list[Callable[[], object]]) -> None:
    undo.append(partial(_SUPPRESS.__set__, error, _SUPPRESS.__get__(error)))
    undo.append(partial(link.__set__, error, link.__get__(error)))
    link.__set__(error, None)


def _without_middle(whole: TracebackType | None) -> TracebackType | None:
    """*whole* itself, or its two ends with a frame of `left_out` between them whose line is the number left out."""
    count, tail = 0, whole
    for count, _step in enumerate(_steps(whole), 1):
        if count > ENDS and tail is not None:
            tail = tail.tb_next
    if count <= 2 * ENDS + 1:
        return whole
    short: TracebackType | None = TracebackType(tail, left_out(), -1, count - 2 * ENDS)
    head = [step for step, _number in zip(_steps(whole), range(ENDS), strict=False)]
    for step in reversed(head):
        short = TracebackType(short, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return short


def _steps(start: TracebackType | None) -> Iterator[TracebackType]:
    while start is not None:
        yield start
        start = start.tb_next


def left_out() -> FrameType:
    """A frame that stands for those left out."""
    return sys._getframe()


def stands_for_many(filename: str, name: str) -> bool:
    """Whether the frame of that description is one of `left_out`."""
    return name == left_out.__name__ and filename == left_out.__code__.co_filename

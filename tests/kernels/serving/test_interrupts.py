"""An interrupt at each line of the code around the caller's: it happens inside the block or not at all."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from kernels.serving import interrupts as module
from kernels.serving.interrupts import Interrupts


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    """In place of Python's own handler, which comes back."""
    before = signal.getsignal(signal.SIGINT)
    yield Interrupts()
    signal.signal(signal.SIGINT, before)


def handle(frame: FrameType | None = None) -> None:
    """What Python does when it finds in *frame* that SIGINT has come."""
    handler: Any = signal.getsignal(signal.SIGINT)
    handler(signal.SIGINT, frame or sys._getframe())


def at_line(number: int, work: Callable[[], None]) -> bool:
    """Do *work*, with SIGINT at the line of that number of the module's; False when it comes to no such line."""
    lines = itertools.count(1)
    hit = False

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal hit
        if event == "line" and frame.f_code.co_filename == module.__file__ and next(lines) == number:
            hit = True
            handle(frame)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return hit


@pytest.mark.parametrize("is_second", [False, True])
def test_an_interrupt_at_any_line_leaves_none_allowed(interrupts: Interrupts, is_second: bool) -> None:
    """After the block the next one finds nothing to end; also when one is held back already as it comes."""
    lock = threading.Lock()
    interrupts.install()

    def work() -> None:
        interrupts.expect()
        with interrupts.allowed(), interrupts, lock:
            if is_second:
                handle()
        interrupts.refuse()

    number = 1
    while at_line(number, work):
        number += 1
        assert not lock.locked()
        interrupts.expect()
        handle()
        interrupts.refuse()
        with interrupts:
            handle()
    assert number > 15


def test_what_was_held_back_until_the_code_was_over_is_dropped(interrupts: Interrupts) -> None:
    """It came too late."""
    interrupts.install()
    interrupts.expect()
    with interrupts, interrupts.allowed():
        handle()

"""Whose output it is: that of the request under way, or of an earlier run whose thread or task still writes.

Tasks and callbacks of asyncio keep the request they were made in, for all clients, as in ipykernel. Threads do so for our
own requests only: ipykernel gives what they write to the newest request. So an agent's next run shows its own output, and a
notebook behaves as everywhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import thread as executors
from contextvars import ContextVar
from functools import partial, wraps
from multiprocessing.dummy import DummyProcess
from typing import Any

_request: ContextVar[Any] = ContextVar("omega_request")
_STARTERS = ("_start_new_thread", "_start_joinable_thread")
"""What `threading` starts threads by, up to Python 3.12 and from 3.13 on."""


def enter(request: Any) -> None:
    """From here on, what this context does is part of *request*; None for none that is known."""
    _request.set(request)


def request_here(newest: Any) -> Any:
    """The request that the code which asks is part of; *newest* where that is not known."""
    request = _request.get(None)
    return newest if request is None else request


def is_run(request: Any) -> bool:
    """Whether *request* is one of ours, which nobody hears of any more once it is answered."""
    metadata = request.get("metadata")
    return isinstance(metadata, dict) and isinstance(metadata.get("omega"), dict)


def install(newest: Callable[[], Any], enter_displays: Callable[[Any], object]) -> None:
    """Let threads be part of the run that started them, and an executor's work of the run that submitted it.

    *newest* answers with the request under way; *enter_displays* does for a thread's displays what `enter` does for text.
    """

    def adopt(request: Any, function: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        enter(request)
        enter_displays(request)
        function(*args, **kwargs)

    def starter(start: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(start)
        def started(function: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
            request = request_here(newest())
            if is_run(request) and not isinstance(getattr(function, "__self__", None), DummyProcess):
                function = partial(adopt, request, function)
            return start(function, *args, **kwargs)

        return started

    for name in _STARTERS:
        if hasattr(threading, name):
            setattr(threading, name, starter(getattr(threading, name)))
    _follow_work(newest)


def _follow_work(newest: Callable[[], Any]) -> None:
    """Workers of an executor outlive runs: what they do belongs to whoever asks for it."""
    make, run = executors._WorkItem.__init__, executors._WorkItem.run

    def made(item: Any, *args: Any, **kwargs: Any) -> None:
        make(item, *args, **kwargs)
        item.omega_request = request_here(newest())

    def ran(item: Any, *args: Any, **kwargs: Any) -> None:
        if not is_run(item.omega_request):
            run(item, *args, **kwargs)
            return
        token = _request.set(item.omega_request)
        try:
            run(item, *args, **kwargs)
        finally:
            _request.reset(token)

    executors._WorkItem.__init__, executors._WorkItem.run = made, ran  # type: ignore[assignment, method-assign]  # no other hook

"""Attributes output to the current request, or to an earlier run whose thread or task still writes.

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
"""The function by which `threading` starts threads, up to Python 3.12 and from 3.13 on."""


def enter(request: Any) -> None:
    """Attribute this context's output to *request* from now on; None means unknown."""
    _request.set(request)


def request_here(newest: Any) -> Any:
    """The request of the calling code; *newest* if unknown."""
    request = _request.get(None)
    return newest if request is None else request


def is_run(request: Any) -> bool:
    """Whether *request* is an omega request, whose output is dropped once it is answered."""
    metadata = request.get("metadata")
    return isinstance(metadata, dict) and isinstance(metadata.get("omega"), dict)


def install(newest: Callable[[], Any], enter_displays: Callable[[Any], object]) -> None:
    """Attribute threads to the run that started them, and an executor's work to the run that submitted it.

    *newest* returns the current request; *enter_displays* does for a thread's displays what `enter` does for text.
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
    """Workers of an executor outlive runs: their work belongs to the run that submitted it."""
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

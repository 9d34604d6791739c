"""The calls of one run that wait for their host, whatever threads and tasks of the run made them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final

FORKED: Final = "tools can't be called in a forked process: call them in the process of the run"
ENDED: Final = "the run that was given these tools is over"


class ToolError(Exception):
    """The host answered a call with an error, or the call could not be made."""

    __module__ = "builtins"


class OpenCalls:
    """Sends calls by *publish*, and hands each answer to who waits for it. *is_here* says whether the run itself asks."""

    def __init__(self, publish: Callable[[dict[str, Any]], object], is_here: Callable[[], bool]) -> None:
        self._publish = publish
        self._is_here = is_here
        self._pid = os.getpid()
        self._waiting: dict[str, Future[Any]] = {}  # each use is one step of the interpreter, so it needs no lock
        self._is_over = False

    def begin(self, name: str, given: Mapping[str, Any]) -> Future[Any]:
        """Send a call; raises ToolError where none can be made."""
        if os.getpid() != self._pid:
            raise ToolError(FORKED)
        if self._has_ended() or not self._is_here():
            raise ToolError(ENDED)
        call_id, future = secrets.token_hex(8), Future[Any]()
        future.set_running_or_notify_cancel()  # a task that gives up must not change what the answer finds
        self._waiting[call_id] = future
        try:
            self._publish({"id": call_id, "name": name, "input": given})
        except BaseException:
            self._waiting.pop(call_id, None)
            raise
        if self._has_ended():  # meanwhile, in another thread
            self.close()
        return future

    def take(self, content: Mapping[str, Any]) -> None:
        """Hand on an answer, in the thread of control requests; one that nobody waits for is ignored."""
        future = self._waiting.pop(str(content.get("id")), None)
        if future is None:
            return
        if "error" in content:
            future.set_exception(ToolError(str(content["error"])))
        else:
            future.set_result(content.get("output"))

    def _has_ended(self) -> bool:
        return self._is_over

    def close(self) -> None:
        """The run is over: whoever still waits is told."""
        self._is_over = True
        while self._waiting:
            _call_id, future = self._waiting.popitem()
            future.set_exception(ToolError(ENDED))

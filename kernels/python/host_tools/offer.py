"""Gives the code of a run its host's tools, for that run alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from kernels.python.host_tools.calls import OpenCalls, ToolError
from kernels.python.host_tools.tools import HostTools, ToolDefinition, is_in_coroutine

KIND: Final = "omega_tool_call"


class ToolOffer:
    """The tools of the run under way, if it has any. *request_here* is the request of the calling code."""

    def __init__(self, publish: Callable[[str, dict[str, Any]], object], request_here: Callable[[], Any]) -> None:
        self._publish = publish
        self._request_here = request_here
        self._calls: OpenCalls | None = None
        self._awaiting: Mapping[str, Any] | None = None

    @contextmanager
    def inside(self, tools: Sequence[ToolDefinition], namespace: MutableMapping[str, Any]) -> Iterator[None]:
        """Have the names ``tools`` and ``ToolError`` in *namespace* inside the block."""
        if not tools:
            yield
            return
        request = self._request_here()
        calls = OpenCalls(lambda call: self._publish(KIND, call), lambda: self._request_here() is request)
        self._calls = calls
        try:
            found = HostTools(tools, calls.begin, lambda frame: is_in_coroutine(frame, self._awaiting))
            with _bound(namespace, {"tools": found, "ToolError": ToolError}):
                yield
        finally:
            self._calls = self._awaiting = None
            calls.close()

    def await_in(self, namespace: Mapping[str, Any]) -> None:
        """The cell that runs in *namespace* has an await: calls in it are awaited."""
        self._awaiting = namespace

    def take(self, content: Mapping[str, Any]) -> None:
        """Take an answer of the host; one that is late, or of no call, is ignored."""
        calls = self._calls
        if calls is not None:
            calls.take(content)


@contextmanager
def _bound(namespace: MutableMapping[str, Any], values: Mapping[str, Any]) -> Iterator[None]:
    """Have *values* in *namespace* inside the block, and after it what was there, save where code put something else."""
    before = {name: namespace[name] for name in values if name in namespace}
    namespace.update(values)
    try:
        yield
    finally:
        for name, value in values.items():
            if namespace.get(name) is not value:
                continue
            if name in before:
                namespace[name] = before[name]
            else:
                del namespace[name]

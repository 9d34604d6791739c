"""What the code of a run finds under the name ``tools``: its host's functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, NoReturn

from kernels.python.host_tools.arguments import checked, named
from kernels.python.host_tools.calls import ToolError

_ASYNC: Final = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_INNER: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>"})
"""Code with a frame of its own that belongs to the code around it."""

Begin = Callable[[str, Mapping[str, Any]], Future[Any]]
"""Sends one call."""
IsAwaited = Callable[[FrameType | None], bool]
"""Whether code in this frame awaits what it calls."""


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """One tool as the gateway describes it; see gateway/core/host_tools.py."""

    name: str
    description: str = ""
    order: tuple[str, ...] = ()


class HostTools:
    """The tools of this run, each a function: ``tools.name(...)``, and ``await tools.name(...)`` in a coroutine."""

    def __init__(self, tools: Sequence[ToolDefinition], begin: Begin, is_awaited: IsAwaited) -> None:
        self._names = tuple(tool.name for tool in tools)
        for tool in tools:
            setattr(self, tool.name, HostFunction(tool, begin, is_awaited))

    def __getattr__(self, name: str) -> Any:
        if name == "ToolError":
            return ToolError
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(f"there is no tool {name!r}; the tools of this run are: {', '.join(self._names)}")

    def __dir__(self) -> list[str]:
        return [*self._names, "ToolError"]

    def __repr__(self) -> str:
        return f"<tools: {', '.join(self._names)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("tools stay in the process of the run: they can't be pickled")


class HostFunction:
    """One function of the host."""

    def __init__(self, tool: ToolDefinition, begin: Begin, is_awaited: IsAwaited) -> None:
        self._tool = tool
        self._begin = begin
        self._is_awaited = is_awaited
        self.__name__ = tool.name
        self.__doc__ = tool.description or None

    def __call__(self, /, *args: Any, **given: Any) -> Any:
        """Call it: its result, or in the code of a coroutine what to await for it."""
        call, here = self.start(*args, **given), inspect.currentframe()
        return call if here is not None and self._is_awaited(here.f_back) else call.wait()

    def wait(self, /, *args: Any, **given: Any) -> Any:
        """Call it and wait for the result, wherever the code is."""
        return self.start(*args, **given).wait()

    def start(self, /, *args: Any, **given: Any) -> StartedCall:
        """Call it; the answer is awaited, or had by ``wait()``."""
        name = self._tool.name
        by_name = checked(name, named(name, self._tool.order, args, given))
        return StartedCall(name, self._begin(name, by_name))

    def __repr__(self) -> str:
        return f"<tools.{self._tool.name}({', '.join(self._tool.order) or '...'})>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("tools stay in the process of the run: they can't be pickled")


class StartedCall(Coroutine[Any, Any, Any]):
    """A call that is sent: await it for its result."""

    def __init__(self, name: str, future: Future[Any]) -> None:
        self._name = name
        self._future = future
        self._steps: Coroutine[Any, Any, Any] | None = None

    def wait(self) -> Any:
        """The result; blocks this thread until it is there."""
        try:
            return self._future.result()
        except (ToolError, KeyboardInterrupt) as error:
            raise error.with_traceback(None) from None  # the caller's own lines are what matters

    async def _result(self) -> Any:
        try:
            return await asyncio.wrap_future(self._future)
        except ToolError as error:
            raise error.with_traceback(None) from None

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._result().__await__()

    # ---- as a coroutine, which asyncio.create_task wants -------------------------------------------------------------

    def send(self, value: Any) -> Any:
        """Go on."""
        self._steps = self._steps or self._result()
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        """Go on with an error."""
        self._steps = self._steps or self._result()
        return self._steps.throw(*error)

    def close(self) -> None:
        """End it."""
        if self._steps is not None:
            self._steps.close()

    # ---- used as if it were its result -------------------------------------------------------------------------------

    @property
    def _advice(self) -> str:
        return f"tools.{self._name}(...) is not awaited here: write await tools.{self._name}(...)"

    def __repr__(self) -> str:
        return f"<{self._advice}>"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name if name.startswith("_") else f"{self._advice} before .{name}")

    def _refuse(self, *_operands: Any) -> NoReturn:
        raise TypeError(self._advice)

    __getitem__ = __iter__ = __len__ = __contains__ = __bool__ = __call__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __index__ = __str__ = __format__ = _refuse


def is_in_coroutine(frame: FrameType | None, cell: Mapping[str, Any] | None = None) -> bool:
    """Whether *frame* is of the code of a coroutine, or of a comprehension or a lambda in it.

    *cell* is the namespace of a cell with an await, all of whose statements count: each is compiled alone.
    """
    while frame is not None and frame.f_code.co_name in _INNER and not frame.f_code.co_flags & _ASYNC:
        frame = frame.f_back
    if frame is None:
        return False
    is_of_cell = frame.f_globals is cell and frame.f_locals is cell
    return is_of_cell or bool(frame.f_code.co_flags & _ASYNC)

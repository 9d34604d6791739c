"""TODO"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from gateway.core.limits import KeyLimits
from gateway.core.model import Json, OnEvent, Result, RunSpec, Task
from kernels.contract import Policy


# carved from gateway/service/runner.py
class Kernel(Protocol):
    """A kernel on loan."""

    async def run(self, spec: RunSpec, on_event: OnEvent | None = None) -> Result:
        """Everything the run reported; a run that fails is a result, not an exception."""

    async def interrupt(self) -> object:
        """Ask the code that runs to stop; without any nothing happens."""


class Control:
    """Lets somebody else than the one who waits for a run know when it begins, and interrupt it."""

    def __init__(self, on_start: Callable[[], None] = lambda: None) -> None:
        self._on_start = on_start
        self._kernel: Kernel | None = None

    @contextmanager
    def holding(self, kernel: Kernel) -> Iterator[None]:
        """The run has *kernel* to itself inside the block."""
        self._kernel = kernel
        self._on_start()
        try:
            yield
        finally:
            self._kernel = None

    async def interrupt(self) -> bool:
        """Ask the code to stop; False when the run has no kernel, because it waits for one or is over."""
        if self._kernel is None:
            return False
        await self._kernel.interrupt()
        return True


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run as a caller asked for it. *title* stands in the history where there is no code.

    *session* is the id of the session to run in; without one the run gets a fresh kernel. In a session a *timeout_s* of 0
    stands for the session's own. *control* is told when the run begins.
    """

    task: Task
    code: str
    timeout_s: float
    inputs: dict[str, Json] = field(default_factory=dict)
    title: str = ""
    session: str = ""
    control: Control = field(default_factory=Control, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose run it is, and what that key may use. *policy* is None when its kernels have the gateway's own limits."""

    key_id: str
    name: str
    limits: KeyLimits = field(default_factory=KeyLimits)
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much one run may print, and show as charts and other rich values."""

    output_bytes: int = 1024 * 1024
    rich_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """A finished run as the history keeps it. *started_utc* is seconds since the epoch."""

    run_id: str
    key_id: str
    started_utc: float
    task: str
    code: str
    success: bool
    wall_s: float

"""What travels from a request to a kernel: the run, who sent it, and how much it may show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from gateway.core.limits import KeyLimits
from gateway.core.model import Json, OnEvent, Result, RunSpec, Task
from kernels.contract import Policy


class Kernel(Protocol):
    """A kernel on loan."""

    async def run(self, spec: RunSpec, on_event: OnEvent | None = None) -> Result:
        """Everything the run reported; a run that fails is a result, not an exception."""

    async def interrupt(self) -> object:
        """Ask the code that runs to stop; without any nothing happens."""


class Control:
    """A handle on a run: learn when it starts, interrupt it."""

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
    stands for the session's own.
    """

    task: Task
    code: str
    timeout_s: float
    inputs: dict[str, Json] = field(default_factory=dict)
    title: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose run it is, and what that key may use. *policy* is None when its kernels have the gateway's own limits."""

    key_id: str
    name: str
    limits: KeyLimits = field(default_factory=KeyLimits)
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much one run may print, and show as charts and other rich values; *chart_bytes* of data with each figure."""

    output_bytes: int = 1024 * 1024
    rich_bytes: int = 32 * 1024 * 1024
    chart_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Submission:
    """One run on its way to a kernel: what is to run, for whom, under which id, and how much it may show.

    *label* is the client's own name for the run.
    """

    request: RunRequest
    caller: Caller
    run_id: str
    allowance: Allowance
    label: str = ""


class Runs(Protocol):
    """Whatever carries out submissions."""

    async def run(self, submission: Submission, on_event: OnEvent | None = None, control: Control | None = None) -> Result:
        """What the run reported, told to *on_event* as it happens. *control* is told when the run has a kernel.

        Raises Busy or Unavailable when no kernel could be had; then nothing was run.
        """


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

"""The values that travel from a request to a kernel: the run, its caller, and its output limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gateway.core.errors import BadRequest
from gateway.core.host_calls import HostCalls
from gateway.core.host_tools import CallLimits, HostTool
from gateway.core.limits import KeyLimits
from gateway.core.model import Json, OnEvent, Result, RunSpec, Task
from gateway.core.run_files import NOTHING_GIVEN, Given
from kernels.contract import Policy

TextForm = Literal["raw", "terminal"]
Include = Literal["streams", "svg"]
"""What an answer has twice if the client asks for it: the output by stream, and the text of SVG pictures."""


class LentKernel(Protocol):
    """A kernel on loan."""

    async def run(self, spec: RunSpec, on_event: OnEvent | None = None) -> Result:
        """The result of the run; code that fails is a result, not an exception."""

    async def interrupt(self) -> object:
        """Interrupt the running code; does nothing if no code runs."""


class Control:
    """A handle on a run: learn when it starts, interrupt it. *calls* are those of its client's tools."""

    def __init__(self, on_start: Callable[[], None] = lambda: None, calls: HostCalls | None = None) -> None:
        self.calls = calls
        self._on_start = on_start
        self._kernel: LentKernel | None = None

    @contextmanager
    def holding(self, kernel: LentKernel) -> Iterator[None]:
        """The run has *kernel* to itself inside the block."""
        self._kernel = kernel
        self._on_start()
        try:
            yield
        finally:
            self._kernel = None

    async def interrupt(self) -> bool:
        """Interrupt the code; False if the run has no kernel, because it waits for one or is over."""
        if self._kernel is None:
            return False
        await self._kernel.interrupt()
        return True


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run as the client requested it. The history shows *title* if there is no code.

    *session* is the id of its session; without one the run gets a fresh kernel. In a session a *timeout_s* of 0
    means the session's own limit. *include* names what the answer is to have in addition.
    """

    task: Task
    code: str
    timeout_s: float
    inputs: dict[str, Json] = field(default_factory=dict)
    title: str = ""
    session: str = ""
    given: Given = NOTHING_GIVEN
    text: TextForm = "raw"
    """*terminal*: the answer's text is what a terminal or a notebook would show in the end."""
    include: frozenset[Include] = frozenset()
    tools: tuple[HostTool, ...] = ()
    """Tools of the client that the code may call."""


def checked_source(name: str, code: str) -> str:
    """*code*, the field *name*; raises BadRequest when it is blank or has a NUL."""
    if not code.strip():
        raise BadRequest(f"{name} is empty.")
    position = code.find("\0")
    if position >= 0:
        raise BadRequest(f"{name} has a NUL character at position {position}.")
    return code


LOOK_S = 5.0
"""How long a kernel may take to list its variables."""


def look_at_variables(session: str) -> RunRequest:
    """The run that lists the variables of *session*."""
    return RunRequest("variables", "", LOOK_S, session=session)


@dataclass(frozen=True, slots=True)
class Caller:
    """The key of a run and its limits. *policy* is None if its kernels have the gateway's limits."""

    key_id: str
    name: str
    limits: KeyLimits = field(default_factory=KeyLimits)
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of one run on text, on charts and other rich output, on the data of each figure (0: none), on the files
    that come back, on calls of the client's tools, and on pictures without a smaller form beside them (as base64; 0: none
    has one).
    """

    output_bytes: int = 1024 * 1024
    rich_bytes: int = 32 * 1024 * 1024
    chart_bytes: int = 0
    fetch_bytes: int = 0
    calls: CallLimits = field(default_factory=CallLimits)
    picture_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Submission:
    """One run on its way to a kernel: the request, its caller, its id, and its output limits.

    *label* is the client's name for the run.
    """

    request: RunRequest
    caller: Caller
    run_id: str
    allowance: Allowance
    label: str = ""


class Runs(Protocol):
    """Carries out submissions for callers that wait for the result."""

    async def run(self, submission: Submission, on_event: OnEvent | None = None) -> Result:
        """The result of the run. *on_event* receives each event as it happens.

        Raises Busy or Unavailable if there was no kernel; then nothing was run.
        """


class ControlledRuns(Protocol):
    """Carries out submissions that may be interrupted by others than their callers."""

    async def run(self, submission: Submission, on_event: OnEvent | None = None, control: Control | None = None) -> Result:
        """The result of the run. *on_event* receives each event as it happens; *control* learns when the run has a kernel.

        Raises Busy or Unavailable if there was no kernel; then nothing was run.
        """


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A finished run, as stored in the history. *started_utc* is seconds since the epoch."""

    run_id: str
    key_id: str
    started_utc: float
    task: str
    code: str
    success: bool
    wall_s: float

"""The values that cross module boundaries: requests to kernels, events of runs, and their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from gateway.core.files import FileChange
from gateway.core.host_calls import HostCalls
from gateway.core.host_tools import HostCall
from gateway.core.run_files import NOTHING_GIVEN, Fetched, Given

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A value that strict JSON can carry (finite numbers only)."""

Task = Literal["python", "javascript", "chart", "analyze", "math", "setup", "variables", "table"]
"""The kinds of request to a kernel; *setup* and LOOKS are for sessions and run no code of the caller."""
LOOKS: frozenset[Task] = frozenset({"variables", "table"})
"""Tasks that only tell what a session has. They are no runs of the session, and no activity."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The request for one run, as the gateway sends it to a kernel.

    *code* is the caller's unchanged source (the expression for ``math``, empty for ``analyze`` and tasks of sessions).
    *inputs* is data for the task (``analyze``: ``{"analysisType", "format", "data"}``; ``chart``: ``{"format", "dpi"}``;
    ``setup``: ``{"env", "cwd"}``; in a session also ``{"session": true}``).
    """

    task: Task
    code: str
    timeout_s: float
    output_bytes: int
    rich_bytes: int
    inputs: dict[str, Json] = field(default_factory=dict)
    wants_variables: bool = True
    reports_files: Literal["", "changed", "new"] = ""
    """Which files of its work directory the kernel reports: none, those that the run created, changed or deleted, or those
    of a directory that was empty before, which is cheaper."""
    chart_bytes: int = 0
    """How much data the kernel is to send with each figure; 0 for none."""
    picture_bytes: int = 0
    """The largest picture, as base64, that the kernel sends without a smaller form beside it; 0: any."""
    given: Given = NOTHING_GIVEN
    fetch_bytes: int = 0
    """How much the files that *given* asks back may hold, in total."""
    calls: HostCalls | None = None
    """The calls of the client's tools; None if the code was given none."""


# ---- events: what one run reported, in order --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """Text written to stdout or stderr."""

    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True)
class Display:
    """A MIME bundle: ``display`` for display_data, ``result`` for the value of the last expression.

    *updates*: it replaces what was shown before with the same *display_id*.
    """

    kind: Literal["display", "result"]
    data: Mapping[str, Json]
    metadata: Mapping[str, Json] = field(default_factory=dict)
    display_id: str = ""
    updates: bool = False


@dataclass(frozen=True, slots=True)
class Cleared:
    """The kernel sent clear_output; output captured so far is kept."""

    wait: bool


@dataclass(frozen=True, slots=True)
class Raised:
    """User code raised: type, message and a plain traceback (no ANSI codes, no host paths).

    *hint* says what to do about it, "" if that is not known.
    """

    type: str
    message: str
    traceback: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class KernelReport:
    """The kernel's reply to a run: bound names, usage, exit code. Hostile input, already checked.

    *return_value* is the value of a JavaScript run. *is_last*: the kernel accepts no further run.
    """

    variables: Mapping[str, Json] = field(default_factory=dict)
    cpu_s: float = 0.0
    peak_bytes: int = 0
    execution_count: int = 0
    exit_code: int | None = None
    files: tuple[FileChange, ...] = ()
    are_files_cut: bool = False
    return_value: Json = None
    is_last: bool = False
    fetched: Fetched | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """Reply *and* idle have arrived, in either order: the run is complete."""

    status: Literal["ok", "error", "aborted"]


Event = Text | Display | Cleared | HostCall | Raised | KernelReport | Finished

OnEvent = Callable[[Event], None]
"""Receives each event of a run as it arrives. It is called on the event loop and must neither block nor raise."""


class Limit(StrEnum):
    """The limit that ended a run, as named in the answer's ``limits``."""

    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"
    CPU = "cpu"
    DIED = "kernel_died"


@dataclass(frozen=True, slots=True)
class Death:
    """How a kernel ended, as the spawner reports it. *signal* is 0 for an exit with *code*."""

    code: int
    signal: int
    out_of_memory: bool
    asked: bool
    peak_bytes: int = 0
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ClearedText:
    """How many characters, from the start of each, a notebook would not show any more because of clear_output()."""

    output: int = 0
    stdout: int = 0
    stderr: int = 0


@dataclass(frozen=True, slots=True)
class ShownText:
    """What a terminal shows in the end of both streams together, and of each."""

    output: str
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Result:
    """All events of a run, folded. *limit* is the limit that ended it early; *kernel_replaced*: its state is lost."""

    success: bool
    output: str
    stdout: str
    stderr: str
    error: Raised | None
    exit_code: int
    wall_s: float
    displays: tuple[Display, ...] = ()
    variables: Mapping[str, Json] = field(default_factory=dict)
    truncated: bool = False
    limit: Limit | None = None
    kernel_replaced: bool = False
    cpu_s: float = 0.0
    peak_bytes: int = 0
    execution_count: int = 0
    files: tuple[FileChange, ...] = ()
    are_files_cut: bool = False
    """Whether there may be more changed files than *files*."""
    return_value: Json = None
    fetched: Fetched | None = None
    """The files that came back; None if the kernel reported none."""
    cleared: ClearedText = ClearedText()
    shown: ShownText | None = None
    """The text as a terminal shows it; None unless the request wants that."""
    gave_nothing: bool = False
    """Whether it is JavaScript that ran for nothing: it returned, printed and showed nothing, and does not try to return."""

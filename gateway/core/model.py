"""The values that cross module boundaries: what to run, what was reported, how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from gateway.core.files import FileChange

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A value that strict JSON can carry (finite numbers only)."""

Task = Literal["python", "javascript", "chart", "analyze", "math", "setup", "variables"]
"""What a kernel can be asked to do; *setup* and *variables* are for sessions and run no code of the caller."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run as the kernel gets it.

    *code* is the caller's source, untouched (for ``math`` the expression, for ``analyze`` and the tasks of sessions empty).
    *inputs* is data for the task (``analyze``: ``{"analysisType", "format", "data"}``; ``chart``: ``{"format", "dpi"}``;
    ``setup``: ``{"env", "cwd"}``; in a session also ``{"session": true}``) and travels as data.
    """

    task: Task
    code: str
    timeout_s: float
    output_bytes: int
    rich_bytes: int
    inputs: dict[str, Json] = field(default_factory=dict)
    wants_variables: bool = True
    wants_files: bool = False
    """Whether the kernel is to tell which files of its work directory the run created, changed or deleted."""
    chart_bytes: int = 0
    """How much data the kernel is to send with each figure; 0 for none."""


# ---- events: what one run reported, in order --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """Text written to stdout or stderr."""

    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True)
class Display:
    """A MIME bundle: ``display`` for display_data, ``result`` for the value of the last expression.

    *updates* says it takes the place of what was shown before under the same *display_id*.
    """

    kind: Literal["display", "result"]
    data: Mapping[str, Json]
    metadata: Mapping[str, Json] = field(default_factory=dict)
    display_id: str = ""
    updates: bool = False


@dataclass(frozen=True, slots=True)
class Cleared:
    """The kernel asked to clear what was displayed (clear_output); nothing captured so far is lost."""

    wait: bool


@dataclass(frozen=True, slots=True)
class Raised:
    """User code raised: type, message and a plain traceback (no ANSI codes, no host paths)."""

    type: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Report:
    """What the kernel said about the run in its reply: bound names, usage, exit code. Hostile input, already checked.

    *return_value* is the value of a JavaScript run. *is_last* says that the kernel is at its end and takes no other run.
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


@dataclass(frozen=True, slots=True)
class Finished:
    """Reply *and* idle have come, in either order: nothing of this run can follow."""

    status: Literal["ok", "error", "aborted"]


Event = Text | Display | Cleared | Raised | Report | Finished

OnEvent = Callable[[Event], None]
"""Gets each event of a run as it comes; called on the event loop, must neither wait nor raise."""


class Limit(StrEnum):
    """The limit that ended a run, as named in the answer's ``limits``."""

    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"
    CPU = "cpu"
    DIED = "kernel_died"


@dataclass(frozen=True, slots=True)
class Death:
    """How a kernel ended, as seen from outside it. *signal* is 0 for an exit with *code*."""

    code: int
    signal: int
    out_of_memory: bool
    asked: bool
    peak_bytes: int = 0
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """All events of a run, folded. *limit* names what ended it early; *kernel_replaced* says its state is gone."""

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

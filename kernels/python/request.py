"""The omega requests of a Python kernel, and their outcomes."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from kernels.python.host_tools.tools import ToolDefinition
from kernels.serving.failure import Failure

Task = Literal["python", "chart", "analyze", "math", "setup", "variables", "table"]


TASKS = ("python", "chart", "analyze", "math", "setup", "variables", "table")


@dataclass(frozen=True, slots=True)
class RunGiven:
    """What a run is given beside its code: see gateway/core/run_files.py. At most *fetch_bytes* go back."""

    files: list[tuple[bytes, bytes]] = field(default_factory=list)
    globs: list[bytes] = field(default_factory=list)
    fetch_bytes: int = 0
    stdin: bytes | None = None
    env: dict[str, str] = field(default_factory=dict)


NOTHING = RunGiven()


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """The validated omega metadata of one request."""

    task: Task
    inputs: dict[str, Any]
    wants_variables: bool
    reports_files: Literal["", "changed", "new"] = ""
    """Which files of the work directory are reported: none, those that the run changed, or those of a directory that was
    empty before."""
    chart_bytes: int = 0
    """How much data of a figure may come with its picture; 0 for none."""
    given: RunGiven = NOTHING
    tools: tuple[ToolDefinition, ...] = ()
    """Functions of the host that the code may call."""
    picture_bytes: int = 0
    """The largest picture, as base64, that needs no smaller form beside it; 0: none needs one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, for its reply. *value* is what a task answers that prints nothing."""

    failure: Failure | None
    variables: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    value: Any = None


def parse(omega: Any) -> TaskRequest | None:
    """The Request in a message's metadata, or None for a plain client's message."""
    if not isinstance(omega, dict) or omega.get("task") not in TASKS:
        return None
    inputs, files = omega.get("inputs"), omega.get("files")
    chart_bytes, picture_bytes = omega.get("chart_bytes"), omega.get("picture_bytes")
    return TaskRequest(
        task=cast(Task, omega["task"]),
        inputs=inputs if isinstance(inputs, dict) else {},
        wants_variables=bool(omega.get("variables", True)),
        reports_files=files if files in ("changed", "new") else "",
        chart_bytes=chart_bytes if type(chart_bytes) is int else 0,
        given=_given(omega["given"]) if "given" in omega else NOTHING,
        tools=_tools(omega["tools"]) if "tools" in omega else (),
        picture_bytes=picture_bytes if type(picture_bytes) is int else 0,
    )


def _given(value: Any) -> RunGiven:
    """As the gateway sends it; nothing for what any other client of this kernel may send."""
    try:
        return _decoded(value)
    except (AttributeError, LookupError, TypeError, ValueError):
        return NOTHING


def _tools(value: Any) -> tuple[ToolDefinition, ...]:
    """As the gateway sends them; none for what any other client of this kernel may send."""
    try:
        return tuple(ToolDefinition(row["name"], row["description"], tuple(row["order"])) for row in value)
    except (LookupError, TypeError):
        return ()


def _decoded(value: dict[str, Any]) -> RunGiven:
    """Paths come in hexadecimal, contents in base64."""
    stdin = value.get("stdin")
    return RunGiven(
        files=[(bytes.fromhex(path), base64.b64decode(text)) for path, text in value.get("files", ())],
        globs=[glob.encode("utf-8", "surrogatepass") for glob in value.get("globs", ())],
        fetch_bytes=int(value.get("fetch_bytes", 0)),
        stdin=None if stdin is None else base64.b64decode(stdin),
        env=dict(value.get("env", {})),
    )

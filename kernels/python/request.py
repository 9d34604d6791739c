"""The omega requests of a Python kernel, and their outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast

from kernels.serving.failure import Failure

Task = Literal["python", "chart", "analyze", "math", "setup", "variables", "table"]


TASKS = ("python", "chart", "analyze", "math", "setup", "variables", "table")


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """The validated omega metadata of one request."""

    task: Task
    inputs: dict[str, Any]
    wants_variables: bool
    wants_files: bool = False
    chart_bytes: int = 0
    """How much data of a figure may come with its picture; 0 for none."""


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
    inputs, chart_bytes = omega.get("inputs"), omega.get("chart_bytes")
    return TaskRequest(
        task=cast(Task, omega["task"]),
        inputs=inputs if isinstance(inputs, dict) else {},
        wants_variables=bool(omega.get("variables", True)),
        wants_files=omega.get("files") is True,
        chart_bytes=chart_bytes if type(chart_bytes) is int else 0,
    )

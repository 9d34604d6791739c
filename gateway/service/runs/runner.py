"""Runs what callers send: leases a kernel, runs the code, and records it in history, metrics and log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Protocol

import structlog

from gateway.core import terminal
from gateway.core.charts import judge
from gateway.core.errors import GatewayError, NotFound
from gateway.core.model import LOOKS, OnEvent, Result, RunSpec, ShownText, Task
from gateway.core.request import Caller, Control, LentKernel, RunRecord, RunRequest, Submission
from gateway.steps import in_turns
from kernels.contract import Language, Policy

LOOK_PATIENCE_S = 5.0
"""How long a request for a session's variables or tables waits for the run under way there."""


Guard = Callable[[Caller], AbstractContextManager[None]]
"""A context that a run is inside of from start to end; it raises a GatewayError to refuse the run."""


class RunPool(Protocol):
    """Lends unused kernels."""

    def lease(self, language: Language, policy: Policy | None = None) -> AbstractAsyncContextManager[LentKernel]:
        """A kernel for one owner, with the limits *policy*, killed afterwards. Raises Busy or Unavailable."""


class Leases(Protocol):
    """Lends the kernels of sessions: table.Sessions."""

    def lease(
        self, session_id: str, caller: Caller, *, language: Language | None = None
    ) -> AbstractAsyncContextManager[LentKernel]:
        """The session's kernel for one turn. Raises NotFound, Gone, Conflict or TooManyRequests."""

    def look(self, session_id: str, caller: Caller, *, patience_s: float) -> AbstractAsyncContextManager[LentKernel]:
        """The same for a look, which is no activity. Raises Busy if the turn has not come after *patience_s*."""


class RunHistory(Protocol):
    """Keeps finished runs."""

    def record(self, run: RunRecord) -> None:
        """Note *run*, soon; never fails and never waits."""


class RunMeter(Protocol):
    """Counts runs."""

    def run_started(self, task: str) -> None:
        """A run of *task* has begun."""

    def run_ended(self, task: str, outcome: str, wall_s: float) -> None:
        """A run of *task* has ended with *outcome*."""


class Runner:
    """Runs requests, each in a fresh kernel that is killed afterwards, or in the session it names."""

    def __init__(
        self,
        pool: RunPool,
        history: RunHistory,
        meter: RunMeter,
        sessions: Leases | None = None,
        *,
        guards: Sequence[Guard] = (),
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._history = history
        self._meter = meter
        self._sessions = sessions
        self._guards = guards
        self._wall_clock = wall_clock
        self._clock = clock
        self._log = structlog.get_logger("omega.runner")

    async def run(self, submission: Submission, on_event: OnEvent | None = None, control: Control | None = None) -> Result:
        """The result of the run. Raises Busy or Unavailable if there was no kernel; then nothing was run.

        In a session it also raises NotFound, Gone, Conflict (another language) and TooManyRequests (too many runs wait).
        An error of a guard is raised before anything is recorded.
        """
        with ExitStack() as stack:
            for guard in self._guards:
                stack.enter_context(guard(submission.caller))
            return await self._run(submission, on_event, control or Control())

    async def _run(self, submission: Submission, on_event: OnEvent | None, control: Control) -> Result:
        request, caller, run_id = submission.request, submission.caller, submission.run_id
        started_utc, started_at = self._wall_clock(), self._clock()
        log = self._log.bind(run_id=run_id, task=request.task, key=caller.name)
        log.info("run started", timeout_s=request.timeout_s or None, code_chars=len(request.code))
        self._meter.run_started(request.task)
        outcome, result = "internal", None
        try:
            async with self._lease(request, caller) as kernel:
                with control.holding(kernel):
                    result = judge(request.task, await kernel.run(_spec(submission, control), on_event))
            if _gave_nothing(request, result):
                result = replace(result, gave_nothing=True)
            if request.text == "terminal":
                result = replace(result, shown=await _shown_text(result))
            outcome = outcome_of(result)
            return result
        except GatewayError as error:
            outcome = error.code
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            wall_s = self._clock() - started_at
            self._meter.run_ended(request.task, outcome, wall_s)
            log.info("run ended", outcome=outcome, wall_ms=round(wall_s * 1000, 1))
            if request.task not in LOOKS and (result is not None or outcome == "cancelled"):
                success, spent_s = (result.success, result.wall_s) if result is not None else (False, wall_s)
                code = request.title or request.code
                self._history.record(RunRecord(run_id, caller.key_id, started_utc, request.task, code, success, spent_s))

    def _lease(self, request: RunRequest, caller: Caller) -> AbstractAsyncContextManager[LentKernel]:
        if not request.session:
            return self._pool.lease(_language(request.task), caller.policy)
        if self._sessions is None:
            raise NotFound("There is no such session.")
        if request.task in LOOKS:
            return self._sessions.look(request.session, caller, patience_s=LOOK_PATIENCE_S)
        return self._sessions.lease(request.session, caller, language=_language(request.task))


def _gave_nothing(request: RunRequest, result: Result) -> bool:
    """See Result.gave_nothing. It is found here, because streams drop the code and what was shown before they end."""
    if request.task != "javascript" or not result.success or "return" in request.code:
        return False
    return result.return_value is None and not result.output and not result.displays


async def _shown_text(result: Result) -> ShownText:
    """The text of *result* that is left in the end; others are served between the steps."""
    cleared = result.cleared
    return ShownText(
        await in_turns(terminal.shown(result.output[cleared.output :])),
        await in_turns(terminal.shown(result.stdout[cleared.stdout :])),
        await in_turns(terminal.shown(result.stderr[cleared.stderr :])),
    )


def outcome_of(result: Result) -> str:
    """How a run ended, in one word: ok, error, or the limit that was hit."""
    if result.limit is not None:
        return str(result.limit)
    return "ok" if result.success else "error"


def _language(task: Task) -> Language:
    return "javascript" if task == "javascript" else "python"


def _spec(submission: Submission, control: Control) -> RunSpec:
    request, allowance = submission.request, submission.allowance
    return RunSpec(
        task=request.task,
        code=request.code,
        timeout_s=request.timeout_s,
        output_bytes=allowance.output_bytes,
        rich_bytes=allowance.rich_bytes,
        inputs={**request.inputs, "session": True} if request.session else request.inputs,
        wants_variables=request.task in ("python", "javascript"),
        # JavaScript has no way to files.
        reports_files=("changed" if request.session else "new") if request.task in ("python", "chart") else "",
        chart_bytes=allowance.chart_bytes if request.task in ("python", "chart") else 0,
        picture_bytes=allowance.picture_bytes,
        given=request.given,
        fetch_bytes=allowance.fetch_bytes if request.given.globs else 0,
        calls=control.calls,
    )

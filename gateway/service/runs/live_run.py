"""One run that clients follow: its events are in a log, which any number of readers read at their own pace."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import structlog

from gateway.core.errors import BadRequest, GatewayError, Gone
from gateway.core.event_log import (
    ENTRY_BYTES,
    Accepted,
    Done,
    EventLog,
    Gap,
    Item,
    LoggedEvent,
    RunRefused,
    RunStarted,
    ShownCode,
)
from gateway.core.host_calls import HostCalls
from gateway.core.model import Event, Finished, KernelReport, OnEvent, Raised, Result, Text
from gateway.core.request import Control, ControlledRuns, Submission
from gateway.core.run_files import NOTHING_GIVEN
from gateway.service.session_feed import SessionFeed

EXIT_INTERRUPTED = 130
SLACK_BYTES = 8 * 1024 * 1024
"""What the log of a run may take beside what the run may print, show and send back: variables, and a returned value."""
_log = structlog.get_logger("omega.live")


class KeptResult:
    """The result of a run, for a client that comes for it once."""

    outcome: Result | Exception | None = None

    def take(self) -> Result:
        """The result. Raises why the run was refused, or Gone if it was taken before."""
        outcome, self.outcome = self.outcome, None
        if outcome is None:
            raise Gone("The result of this run has been sent.")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class LiveRun:
    """One run that clients follow. Its allowance bounds its output, and so what is kept of it.

    *grace_s* is None for a run whose caller waits for the result and gets the events by *on_event*. It is infinite for one
    whose client asks in turns (see host_turns): how long that one may stay away is a limit of the run itself. *feed* is that
    of its session.
    """

    def __init__(
        self,
        submission: Submission,
        grace_s: float | None,
        stamps: Iterator[int],
        *,
        feed: SessionFeed | None = None,
        on_event: OnEvent | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.key_id = submission.caller.key_id
        self.run_id = submission.run_id
        self.request = submission.request
        self.label = submission.label
        self.feed = feed
        self.begun_utc: float | None = None
        """When it got its kernel, in seconds since the epoch; None before."""
        allowance = submission.allowance
        limit_bytes = allowance.output_bytes + allowance.rich_bytes + 2 * allowance.fetch_bytes + SLACK_BYTES
        self.calls = HostCalls(submission.request.tools, allowance.calls) if submission.request.tools else None
        """The calls of its client's tools; None if it was given none."""
        if self.calls is not None:
            limit_bytes += allowance.calls.total_bytes
        self.log = EventLog(limit_bytes, stamps if feed is None else feed.numbers)
        self._control = Control(self._start, self.calls)
        self._on_event = on_event
        self._wall_clock = wall_clock
        self._failure: Exception | None = None
        self._grace_s = grace_s
        self.kept = KeptResult() if grace_s == math.inf else None
        """The result for a client that asks in turns; None for a run that others read or wait for."""
        self.has_caller = grace_s is None or self.kept is not None
        """Whether its caller waits for the result, and alone may give it up."""
        self._readers: list[asyncio.Event] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._is_stopped = False
        self._stderr_chars = 0

    @property
    def is_over(self) -> bool:
        """Whether it has ended; no event follows."""
        return self.log.is_closed

    @property
    def is_read(self) -> bool:
        """Whether somebody follows it."""
        return bool(self._readers)

    @property
    def used_bytes(self) -> int:
        """About how much memory its events take."""
        return self.log.used_bytes * (1 if self.kept is None else 2) + ENTRY_BYTES

    # ---- for those who follow it ------------------------------------------------------------------------------------

    async def begun(self, news: asyncio.Event) -> None:
        """Wait with *news* until it has a kernel; raises the reason if it gets none."""
        while self.begun_utc is None and not self.is_over:
            news.clear()
            await news.wait()
        if self.begun_utc is None and self._failure is not None:
            raise self._failure

    def check(self, after: int) -> None:
        """Accept *after* as the number of an event, or 0; raises BadRequest for one that this run has not reached."""
        if not 0 <= after <= self.log.last_seq:
            raise BadRequest(f"after must be from 0 to {self.log.last_seq}, the number of this run's last event.")

    def next_after(self, seq: int) -> LoggedEvent | Gap | None:
        """The event after *seq*; None if there is none, yet or ever."""
        return self.log.next_after(seq)

    def attach(self, news: asyncio.Event) -> None:
        """A reader has come; *news* is set whenever there is an event."""
        self._readers.append(news)
        self._stop_timer()
        news.set()

    def detach(self, news: asyncio.Event) -> None:
        """A reader has left; when the last one leaves, the run's grace begins."""
        self._readers.remove(news)
        if not self._readers:
            self._start_timer()

    @contextmanager
    def reading(self) -> Iterator[asyncio.Event]:
        """Be a reader inside the block; the asyncio event is set whenever there is an event."""
        news = asyncio.Event()
        self.attach(news)
        try:
            yield news
        finally:
            self.detach(news)

    def _start_timer(self) -> None:
        if not self.is_over and self._grace_s is not None and self.kept is None:
            self._timer = asyncio.get_running_loop().call_later(self._grace_s, self.stop)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def interrupt(self) -> None:
        """Interrupt the code; a run that still waits for its turn loses its place."""
        if not self.is_over and not await self._control.interrupt():
            self.stop()

    def stop(self) -> None:
        """End it at once; nothing happens if it is over."""
        if self._task is not None and not self.is_over and not self._is_stopped:
            self._is_stopped = True
            self._task.cancel()

    # ---- the run itself ---------------------------------------------------------------------------------------------

    def go(self, runs: ControlledRuns, submission: Submission) -> asyncio.Task[Result | Exception]:
        """Start the run. The task never fails: a failure is what it comes to. The caller awaits it."""
        self._begin()
        self._task = asyncio.create_task(self._run(runs, submission))
        self._task.add_done_callback(self._close)
        self._start_timer()
        return self._task

    async def carry_out(self, runs: ControlledRuns, submission: Submission) -> Result | Exception:
        """What the run comes to, in the caller's own task: another one would cost as much as all the rest of this class.

        Who cancels the task cancels the run. stop() ends the run alone.
        """
        self._begin()
        self._task = asyncio.current_task()
        try:
            return await self._run(runs, submission)
        except asyncio.CancelledError:
            if not self._is_stopped or self._task is None or self._task.uncancel():
                raise
            return cut_off(self)
        finally:
            self._close()

    def _begin(self) -> None:
        shown = None if self.feed is None else ShownCode.of(self.request.task, self.request.code or self.request.title)
        if self.feed is not None:
            self.feed.begin(self)
        self._add(Accepted(self.run_id, shown))

    async def _run(self, runs: ControlledRuns, submission: Submission) -> Result | Exception:
        try:
            result = await runs.run(submission, self._take, self._control)
        except GatewayError as error:
            return self._refuse(error, RunRefused(type(error).__name__, error.message, error.code))
        except Exception as error:  # noqa: BLE001  # the entry point of a task: no caller awaits its result
            _log.error("run failed", run_id=self.run_id, exc_info=True)
            return self._refuse(error, RunRefused("InternalError", f"internal error (run {self.run_id})", "internal"))
        self._finish(result)
        return result

    def _refuse(self, error: Exception, refused: RunRefused) -> Exception:
        self._failure = error.with_traceback(None)  # its frames hold what _let_go() drops
        if self.kept is not None:
            self.kept.outcome = self._failure
        self._add(refused)
        return error

    def _close(self, _task: asyncio.Task[Result | Exception] | None = None) -> None:
        """Record the end of a cancelled run: its task, perhaps cancelled before its first step, did not."""
        if not self.is_over:
            self._finish(cut_off(self))
        self._stop_timer()
        self._let_go()

    def _let_go(self) -> None:
        """Drop the request, which may be larger than all events.

        Without references to itself the run is freed once it is forgotten, not at the next garbage collection.
        """
        given = self.request.given
        if given is not NOTHING_GIVEN:
            given = replace(given, files=(), stdin=None, env={})
        self.request = replace(self.request, code="", inputs={}, given=given, tools=())
        if self.calls is not None:
            self.calls.close()
        self._control = Control()
        self._on_event = None
        self._task = None

    def _start(self) -> None:
        self.begun_utc = self._wall_clock()
        self._add(RunStarted())

    def _take(self, event: Event) -> None:
        """Log events that are shown as they come; the outcome is logged at the end."""
        if self._on_event is not None:
            self._on_event(event)
        if isinstance(event, Raised | KernelReport | Finished):
            return
        if isinstance(event, Text) and event.stream == "stderr":
            self._stderr_chars += len(event.text)
        self._add(event)

    def _finish(self, result: Result) -> None:
        if self.kept is not None:
            self.kept.outcome = result
        late = result.stderr[self._stderr_chars :]
        if late:
            self._add(Text("stderr", late))
        if result.error is not None:
            self._add(result.error)
        shown = result.shown and replace(result.shown, stdout="", stderr="")
        self._add(Done(replace(result, output="", stdout="", stderr="", displays=(), shown=shown)))

    def _add(self, item: Item) -> None:
        self.log.append(item)
        for news in self._readers:
            news.set()
        if self.feed is not None:
            self.feed.note(self)


def cut_off(run: LiveRun) -> Result:
    """The result of *run* when it is cancelled."""
    when = "" if run.begun_utc is not None else " before it began"
    error = Raised("KeyboardInterrupt", f"The run was interrupted{when}", "")
    return Result(False, "", "", "", error, EXIT_INTERRUPTED, 0.0)

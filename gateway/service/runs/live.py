"""Runs that clients follow while they are under way. Their events are kept for a while, so that a reader may fall behind or
reconnect.

A run does not wait for its readers. When the last reader has gone, a grace begins in which a client of the same key may
resume reading; after it the run is interrupted. The events are kept for the same time after the end of the run.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count

import structlog

from gateway.core.errors import BadRequest, GatewayError, NotFound
from gateway.core.event_log import ENTRY_BYTES, Accepted, Done, EventLog, Gap, Item, LoggedEvent, RunRefused, RunStarted
from gateway.core.model import Event, Finished, KernelReport, Raised, Result, Text
from gateway.core.request import Caller, Control, Runs, Submission

EXIT_INTERRUPTED = 130
SLACK_BYTES = 1024 * 1024
"""What the log of a run may take beside what the run may print and show."""
MAX_ENDED = 1000
"""Finished runs of one key whose events are kept."""
_log = structlog.get_logger("omega.live")


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How long a run goes on without a reader, and how many bytes of a key's finished runs are kept."""

    grace_s: float = 30.0
    kept_bytes: int = 64 * 1024 * 1024


class LiveRun:
    """One run that clients follow. Its allowance bounds its output, and so what is kept of it."""

    def __init__(self, submission: Submission, grace_s: float, stamps: Iterator[int]) -> None:
        self.key_id = submission.caller.key_id
        self.run_id = submission.run_id
        self.request = submission.request
        self.label = submission.label
        allowance = submission.allowance
        self._log = EventLog(allowance.output_bytes + allowance.rich_bytes + SLACK_BYTES, stamps)
        self._control = Control(self._start)
        self._has_begun = False
        self._failure: Exception | None = None
        self._grace_s = grace_s
        self._readers: list[asyncio.Event] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._stderr_chars = 0

    @property
    def is_over(self) -> bool:
        """Whether it has ended; no event follows."""
        return self._log.is_closed

    @property
    def used_bytes(self) -> int:
        """About how much memory its events take."""
        return self._log.used_bytes + ENTRY_BYTES

    def trim(self, limit_bytes: int) -> None:
        """Forget the oldest events until the others fit."""
        self._log.trim(limit_bytes)

    # ---- for those who follow it ------------------------------------------------------------------------------------

    async def begun(self, news: asyncio.Event) -> None:
        """Wait with *news* until it has a kernel; raises the reason if it gets none."""
        while not self._has_begun and not self.is_over:
            news.clear()
            await news.wait()
        if not self._has_begun and self._failure is not None:
            raise self._failure

    def check(self, after: int) -> None:
        """Accept *after* as the number of an event, or 0; raises BadRequest for one that this run has not reached."""
        if not 0 <= after <= self._log.last_seq:
            raise BadRequest(f"after must be from 0 to {self._log.last_seq}, the number of this run's last event.")

    def next_after(self, seq: int) -> LoggedEvent | Gap | None:
        """The event after *seq*; None if there is none, yet or ever."""
        return self._log.next_after(seq)

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
        if not self.is_over:
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
        if self._task is not None and not self.is_over:
            self._task.cancel()

    # ---- the run itself ---------------------------------------------------------------------------------------------

    def go(self, runs: Runs, submission: Submission) -> asyncio.Task[None]:
        """Start the run. The task never fails; the caller awaits it."""
        self._add(Accepted(self.run_id))
        self._task = asyncio.create_task(self._run(runs, submission))
        self._task.add_done_callback(self._close)
        self._start_timer()
        return self._task

    async def _run(self, runs: Runs, submission: Submission) -> None:
        try:
            self._finish(await runs.run(submission, self._take, self._control))
        except GatewayError as error:
            self._refuse(error, RunRefused(type(error).__name__, error.message, error.code))
        except Exception as error:  # noqa: BLE001  # the entry point of a task: no caller awaits its result
            _log.error("run failed", run_id=self.run_id, exc_info=True)
            self._refuse(error, RunRefused("InternalError", f"internal error (run {self.run_id})", "internal"))

    def _refuse(self, error: Exception, refused: RunRefused) -> None:
        self._failure = error.with_traceback(None)  # its frames hold what _let_go() drops
        self._add(refused)

    def _close(self, _task: asyncio.Task[None]) -> None:
        """Record the end of a cancelled run: its task, perhaps cancelled before its first step, did not."""
        if not self.is_over:
            when = "" if self._has_begun else " before it began"
            error = Raised("KeyboardInterrupt", f"The run was interrupted{when}", "")
            self._finish(Result(False, "", "", "", error, EXIT_INTERRUPTED, 0.0))
        self._stop_timer()
        self._let_go()

    def _let_go(self) -> None:
        """Drop the request, which may be larger than all events.

        Without references to itself the run is freed once it is forgotten, not at the next garbage collection.
        """
        self.request = replace(self.request, code="", inputs={})
        self._control = Control()
        self._task = None

    def _start(self) -> None:
        self._has_begun = True
        self._add(RunStarted())

    def _take(self, event: Event) -> None:
        """Log events that are shown as they come; the outcome is logged at the end."""
        if isinstance(event, Raised | KernelReport | Finished):
            return
        if isinstance(event, Text) and event.stream == "stderr":
            self._stderr_chars += len(event.text)
        self._add(event)

    def _finish(self, result: Result) -> None:
        late = result.stderr[self._stderr_chars :]
        if late:
            self._add(Text("stderr", late))
        if result.error is not None:
            self._add(result.error)
        shown = result.shown and replace(result.shown, stdout="", stderr="")
        self._add(Done(replace(result, output="", stdout="", stderr="", displays=(), shown=shown)))

    def _add(self, item: Item) -> None:
        self._log.append(item)
        for news in self._readers:
            news.set()


class LiveRuns:
    """The runs under way, and recently finished ones whose events are still kept."""

    def __init__(self, runs: Runs, settings: LiveSettings | None = None) -> None:
        self._runs = runs
        self._settings = settings or LiveSettings()
        self._stamps = count()
        self._live: dict[str, LiveRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: dict[str, OrderedDict[str, int]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self, submission: Submission, *, grace_s: float | None = None) -> LiveRun:
        """Start a run. Without a reader for *grace_s* (None: the settings' grace) it is stopped."""
        run = LiveRun(submission, self._settings.grace_s if grace_s is None else grace_s, self._stamps)
        task = run.go(self._runs, submission)
        self._live[run.run_id] = run
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._note_end(run, done))
        return run

    def find(self, run_id: str, caller: Caller) -> LiveRun:
        """A run of the same key, under way or recently finished; raises NotFound."""
        run = self._live.get(run_id)
        if run is None or run.key_id != caller.key_id:
            raise NotFound("There is no such run, or its events are no longer kept.")
        return run

    def states(self) -> dict[str, int]:
        """How many are under way, and how many finished ones are kept."""
        return {"running": len(self._tasks), "kept": len(self._live) - len(self._tasks)}

    async def close(self) -> None:
        """Stop all runs and forget everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the tasks' callbacks have noted their ends
        for run_id in list(self._live):
            self._forget(run_id)

    def _note_end(self, run: LiveRun, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        run.trim(self._settings.kept_bytes)
        ended = self._ended.setdefault(run.key_id, OrderedDict())
        ended[run.run_id] = run.used_bytes
        while (sum(ended.values()) > self._settings.kept_bytes or len(ended) > MAX_ENDED) and len(ended) > 1:
            oldest = next(iter(ended))
            self._live[oldest].trim(0)
            self._forget(oldest)
        loop = asyncio.get_running_loop()
        self._timers[run.run_id] = loop.call_later(self._settings.grace_s, self._forget, run.run_id)

    def _forget(self, run_id: str) -> None:
        run = self._live.pop(run_id, None)
        timer = self._timers.pop(run_id, None)
        if timer is not None:
            timer.cancel()
        if run is not None:
            ended = self._ended.get(run.key_id, OrderedDict())
            ended.pop(run_id, None)
            if not ended:
                self._ended.pop(run.key_id, None)

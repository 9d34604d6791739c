"""Runs that clients follow while they are under way: streamed ones, and all runs of sessions. Their events are kept for a
while, so that a reader may fall behind or reconnect.

A run does not wait for its readers. When the last reader has gone, a grace begins in which a client of the same key may
resume reading; after it the run is interrupted. The events are kept for the same time after the end of the run. A run whose
caller waits for the result has no such grace, and if nobody follows or watches it, nothing of it is kept.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from gateway.core.errors import GatewayError, NotFound
from gateway.core.model import LOOKS, OnEvent, Result
from gateway.core.request import Caller, ControlledRuns, Submission
from gateway.service.runs.live_run import LiveRun
from gateway.service.runs.watches import Feeds
from gateway.service.session_feed import SessionFeed

MAX_ENDED = 1000
"""Finished runs of one key whose events are kept."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How long a run goes on without a reader, and how many bytes of a key's finished runs are kept."""

    grace_s: float = 30.0
    kept_bytes: int = 64 * 1024 * 1024


class LiveRuns:
    """The runs under way, and recently finished ones whose events are still kept.

    *feeds* finds the feeds of sessions. Without it runs of sessions are not watched.
    """

    def __init__(self, runs: ControlledRuns, settings: LiveSettings | None = None, feeds: Feeds | None = None) -> None:
        self._runs = runs
        self._settings = settings or LiveSettings()
        self._feeds = feeds
        self._stamps = count()
        self._live: dict[str, LiveRun] = {}
        self._tasks: set[asyncio.Task[Result | Exception]] = set()
        self._awaited: set[LiveRun] = set()
        """Runs in the tasks of their callers."""
        self._ended: dict[str, OrderedDict[str, int]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start_in_turns(self, submission: Submission) -> LiveRun:
        """Start a run whose client asks in turns: see host_turns. It needs no reader."""
        return self.start(submission, grace_s=math.inf)

    def start(self, submission: Submission, *, grace_s: float | None = None) -> LiveRun:
        """Start a run. Without a reader for *grace_s* (None: the settings' grace) it is stopped."""
        grace_s = self._settings.grace_s if grace_s is None else grace_s
        run = LiveRun(submission, grace_s, self._stamps, feed=self._feed_of(submission))
        self._go(run, submission)
        return run

    async def run(self, submission: Submission, on_event: OnEvent | None = None) -> Result:
        """The result of a run whose caller waits for it; see request.Runs. In a session others can follow and watch it."""
        feed = self._feed_of(submission)
        if feed is None:
            return await self._runs.run(submission, on_event)
        run = LiveRun(submission, None, self._stamps, feed=feed, on_event=on_event)
        self._live[run.run_id] = run
        self._awaited.add(run)
        try:
            outcome = await run.carry_out(self._runs, submission)
        finally:
            self._awaited.discard(run)
            self._note_end(run)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _go(self, run: LiveRun, submission: Submission) -> None:
        task = run.go(self._runs, submission)
        self._live[run.run_id] = run
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _done: self._note_end(run))

    def _feed_of(self, submission: Submission) -> SessionFeed | None:
        """The feed of the session of a run; None for one that is no run of a session, or will be refused."""
        request = submission.request
        if self._feeds is None or not request.session or request.task in LOOKS:
            return None
        with suppress(GatewayError):
            return self._feeds(request.session, submission.caller)
        return None

    def find(self, run_id: str, caller: Caller) -> LiveRun:
        """A run of the same key, under way or recently finished; raises NotFound."""
        run = self._live.get(run_id)
        if run is None or run.key_id != caller.key_id:
            raise NotFound("There is no such run, or its events are no longer kept.")
        return run

    def states(self) -> dict[str, int]:
        """How many are under way, and how many finished ones are kept."""
        running = len(self._tasks) + len(self._awaited)
        return {"running": running, "kept": len(self._live) - running}

    def end_turns(self) -> None:
        """Stop the runs that wait for a client that asks in turns: one that has to connect anew is refused in a shutdown."""
        for run in list(self._live.values()):
            if run.kept is not None and run.calls is not None and run.calls.waiting and not run.is_read:
                run.stop()

    async def close(self) -> None:
        """Stop all runs and forget everything."""
        for task in self._tasks:
            task.cancel()
        for run in self._awaited:
            run.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._awaited:  # noqa: ASYNC110  # they end in their callers' tasks, which nobody here has
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)  # the tasks' callbacks have noted their ends
        for run_id in list(self._live):
            self._forget(run_id)

    def _note_end(self, run: LiveRun) -> None:
        if not self._is_wanted(run):
            self._forget(run.run_id)
            return
        run.log.trim(self._settings.kept_bytes)
        ended = self._ended.setdefault(run.key_id, OrderedDict())
        ended[run.run_id] = run.used_bytes
        while (sum(ended.values()) > self._settings.kept_bytes or len(ended) > MAX_ENDED) and len(ended) > 1:
            oldest = next(iter(ended))
            self._live[oldest].log.trim(0)
            self._forget(oldest)
        self._expire_later(run)

    def _is_wanted(self, run: LiveRun) -> bool:
        """Whether somebody may still ask for the events of *run*, which is over."""
        is_watched = run.feed is not None and run.feed.is_watched(self._settings.grace_s)
        return is_watched or run.is_read or run.kept is not None or not run.has_caller

    def _expire_later(self, run: LiveRun) -> None:
        loop = asyncio.get_running_loop()
        self._timers[run.run_id] = loop.call_later(self._settings.grace_s, self._expire, run)

    def _expire(self, run: LiveRun) -> None:
        """Forget *run*, unless somebody still reads it: what is read counts."""
        if run.is_read:
            self._expire_later(run)
        else:
            self._forget(run.run_id)

    def _forget(self, run_id: str) -> None:
        run = self._live.pop(run_id, None)
        timer = self._timers.pop(run_id, None)
        if timer is not None:
            timer.cancel()
        if run is not None and run.feed is not None:
            run.feed.forget(run)
        if run is not None:
            ended = self._ended.get(run.key_id, OrderedDict())
            ended.pop(run_id, None)
            if not ended:
                self._ended.pop(run.key_id, None)

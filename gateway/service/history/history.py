"""The history: the runs of each key, newest first. Writing it never delays a run and never fails one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.core.errors import Unavailable
from gateway.core.request import RunRecord
from gateway.service.database import DatabaseError
from gateway.service.history.store import CODE_BYTES, Retention, Store, fit

QUEUE_ROWS = 5_000
QUEUE_CHARS = 32 * 1024 * 1024
BATCH_ROWS = 200
GATHER_S = 0.05
"""How long runs are gathered to be written together: a write for each costs as much as a tenth of a run."""
NUMBERED_ROWS = 4 * QUEUE_ROWS
MAX_LIMIT = 500
PRUNE_EVERY_S = 600.0
PRUNE_EVERY_ROWS = 500
RETRY_WAITS_S = (0.2, 1.0, 3.0)
LOG_EVERY_S = 60.0

_log = structlog.get_logger("omega.history")
_FAILURES = (SQLAlchemyError, DatabaseError, OSError, ValueError)


class HistoryMeter(Protocol):
    """Counts rows of the history."""

    def history_written(self, rows: int) -> None:
        """*rows* runs are on disk."""

    def history_dropped(self, rows: int, reason: str) -> None:
        """*rows* runs were given up: the queue was full, or the database refused."""


class History:
    """A bounded queue in memory, one thread that empties it into the database, and reads that see both."""

    def __init__(self, store: Store, meter: HistoryMeter) -> None:
        self._store = store
        self._meter = meter
        self._pending: deque[RunRecord] = deque()
        self._writing: Sequence[RunRecord] = ()
        self._chars = 0
        self._numbers: dict[tuple[str, float], int] = {}
        """The order of the last runs, by id and start: the cells of a notebook share an id."""
        self._count = 0
        self._changed = threading.Condition()
        self._closing = False
        self._complaint = _Complaint()
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="history-read")
        self._writer = threading.Thread(target=self._write_all, name="history-write", daemon=True)

    @classmethod
    def open(cls, url: str, retention: Retention, meter: HistoryMeter) -> History:
        """The history kept at *url*, writing already. Raises DatabaseError when that can't be used."""
        history = cls(Store(url, retention), meter)
        try:
            history._store.prepare()
        except SQLAlchemyError as error:
            _log.warning("history database is not available yet", reason=type(error).__name__)
        history._writer.start()
        return history

    def record(self, run: RunRecord) -> None:
        """Note *run*, soon; never fails and never waits. With a full queue the run is dropped and counted."""
        run = replace(run, code=fit(run.code, CODE_BYTES))
        with self._changed:
            is_full = len(self._pending) >= QUEUE_ROWS or self._chars + len(run.code) > QUEUE_CHARS
            if not is_full and not self._closing:
                self._pending.append(run)
                self._number(run)
                self._chars += len(run.code)
                if len(self._pending) in (1, BATCH_ROWS):
                    self._changed.notify()
                return
        self._give_up(1, "queue full" if is_full else "closing")

    def _number(self, run: RunRecord) -> None:
        self._count += 1
        self._numbers[run.run_id, run.started_utc] = self._count
        if len(self._numbers) > NUMBERED_ROWS:
            del self._numbers[next(iter(self._numbers))]

    async def newest(self, key_id: str, limit: int) -> Sequence[RunRecord]:
        """The last *limit* runs of this key, newest first, those still on their way to the disk included."""
        limit = max(1, min(limit, MAX_LIMIT))
        with self._changed:
            # Taken before the read: a run is then in one of the two, or in both, but never in neither.
            waiting = [run for run in (*self._writing, *self._pending) if run.key_id == key_id]
        loop = asyncio.get_running_loop()
        try:
            stored = await loop.run_in_executor(self._readers, self._store.newest, key_id, limit)
        except (SQLAlchemyError, DatabaseError, RuntimeError) as error:
            _log.warning("history could not be read", reason=type(error).__name__)
            raise Unavailable("The history can't be read right now.", retry_after_s=5) from None
        with self._changed:
            # Runs reach the disk in their order: who is older than one that is there is there as well, if beyond the limit.
            last_stored = max((self._numbers.get((run.run_id, run.started_utc), 0) for run in stored), default=0)
            fresh = [run for run in reversed(waiting) if self._numbers.get((run.run_id, run.started_utc), 0) > last_stored]
        return [*fresh, *stored][:limit]

    async def close(self, timeout_s: float = 5.0) -> None:
        """Write what is queued, then close the database; after *timeout_s* the rest is given up."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._writer.join, timeout_s)
        self._readers.shutdown(wait=False, cancel_futures=True)
        if self._writer.is_alive():
            self._give_up(len(self._writing) + len(self._pending), "closing")
        else:
            self._store.close()

    # ---- the writer thread ----

    def _write_all(self) -> None:
        next_prune, since_prune = time.monotonic(), 0
        while (batch := self._next_batch(next_prune - time.monotonic())) is not None:
            if batch and self._write(batch):
                since_prune += len(batch)
            if since_prune >= PRUNE_EVERY_ROWS or time.monotonic() >= next_prune:
                self._prune()
                next_prune, since_prune = time.monotonic() + PRUNE_EVERY_S, 0

    def _next_batch(self, wait_s: float) -> Sequence[RunRecord] | None:
        """Runs to write; nothing when none came for *wait_s*; None when closing and nothing is left."""
        with self._changed:
            if not self._pending and not self._closing and wait_s > 0:
                self._changed.wait(wait_s)
            if not self._pending:
                return None if self._closing else ()
            self._changed.wait_for(lambda: self._closing or len(self._pending) >= BATCH_ROWS, GATHER_S)
            self._writing = [self._pending.popleft() for _ in range(min(BATCH_ROWS, len(self._pending)))]
            self._chars -= sum(len(run.code) for run in self._writing)
            return self._writing

    def _write(self, batch: Sequence[RunRecord]) -> bool:
        """Write *batch*, trying again after a while when the database is busy; it is dropped in the end."""
        reason = ""
        for wait_s in (*RETRY_WAITS_S, None):
            try:
                self._store.insert(batch)
            except _FAILURES as error:
                reason = type(getattr(error, "orig", None) or error).__name__
                if wait_s is None or not self._pause(wait_s):
                    break
            else:
                self._meter.history_written(len(batch))
                self._finish_batch()
                return True
        self._finish_batch()
        self._give_up(len(batch), reason)
        return False

    def _finish_batch(self) -> None:
        with self._changed:
            self._writing = ()

    def _pause(self, wait_s: float) -> bool:
        """Wait; False when the history is closing, so that the caller gives up instead."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._closing, wait_s)

    def _prune(self) -> None:
        try:
            removed = self._store.prune()
        except _FAILURES as error:
            _log.warning("history could not be pruned", reason=type(error).__name__)
        else:
            if removed:
                _log.debug("history pruned", rows=removed)

    def _give_up(self, rows: int, reason: str) -> None:
        self._meter.history_dropped(rows, reason)
        if total := self._complaint.due(rows):
            _log.warning("runs are missing from the history", rows=total, reason=reason)


class _Complaint:
    """Sums up what is to be said, so that it is said once in a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows = 0
        self._silent_until = 0.0

    def due(self, rows: int) -> int:
        """How many rows to name now; 0 to keep quiet."""
        with self._lock:
            self._rows += rows
            if time.monotonic() < self._silent_until:
                return 0
            self._silent_until = time.monotonic() + LOG_EVERY_S
            total, self._rows = self._rows, 0
            return total

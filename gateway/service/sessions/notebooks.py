"""Notebooks: exports a session as one, and executes an uploaded one cell by cell in a new session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from gateway.core.errors import Conflict
from gateway.core.event_log import content_bytes
from gateway.core.files import Path
from gateway.core.model import Display, Event, Json, Limit, OnEvent, Raised, Result, Text
from gateway.core.notebook import Notebook, NotebookCell, NotebookLanguage, metadata_for
from gateway.core.notebook_outputs import CellOutputs
from gateway.core.request import Allowance, Caller, RunRequest, Runs, Submission
from gateway.core.run_files import NOTHING_GIVEN, Given
from gateway.service.sessions.table import Cell, NewSession, SessionView

SESSION_NAME = "notebook"
NO_FILES = "FilesError"
"""The error of a run whose files could not be put into the work directory; see kernels/python/run_files.py."""
MIN_BYTES = 1024
"""With less room than this left, the next cell is not begun."""
EVENT_BYTES = 64
_NO_CODE = "# A run of the task {!r}: its data was sent separately and is not kept."
_OUT_OF_TIME = Raised("TimeoutError", "The time limit of the whole notebook was exceeded", "")
_FULL = Raised("ExecutionError", "The output limit of the whole notebook was exceeded", "")
_LOST = Raised("KernelDied", "The kernel was lost, and with it the state that earlier cells had made", "")


@dataclass(frozen=True, slots=True)
class NotebookRequest:
    """A notebook to execute. Each cell has *timeout_s*; errors stop it at the first unless it *allows_errors*.

    *session* is the id of the session it is to run in, "" for one of its own. *files* are there before the first cell runs.
    """

    notebook: Notebook
    language: NotebookLanguage
    timeout_s: float
    allows_errors: bool = False
    session: str = ""
    files: tuple[tuple[Path, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class CellStarted:
    """The cell at *index* of all cells begins to run."""

    index: int
    cell_id: str


@dataclass(frozen=True, slots=True)
class CellDone:
    """The cell at *index* has run."""

    index: int
    cell_id: str
    result: Result


Progress = CellStarted | CellDone | Event

OnProgress = Callable[[Progress], None]
"""Gets what happens as it happens, each cell's events between its start and its end; must neither wait nor raise."""


@dataclass(frozen=True, slots=True)
class Executed:
    """The notebook with its new outputs. *error* is what stopped it, at the cell *stopped_at* of all; None when nothing did.

    *ran* counts the cells that were run, *failed* those of them that failed.
    """

    notebook: Notebook
    ran: int
    failed: int
    wall_s: float
    error: Raised | None = None
    stopped_at: int | None = None
    limit: Limit | None = None
    is_cut: bool = False


class KeptSessions(Protocol):
    """The table of sessions: table.Sessions."""

    async def create(self, asked: NewSession, caller: Caller) -> SessionView:
        """A new one."""

    async def delete(self, session_id: str, caller: Caller) -> None:
        """End one."""

    def show(self, session_id: str, caller: Caller) -> SessionView:
        """One of the caller's."""

    def transcript(self, session_id: str, caller: Caller) -> Sequence[Cell]:
        """What was run in it."""


class Notebooks:
    """Makes notebooks of sessions, and runs notebooks; the whole of one may take *total_s* seconds."""

    def __init__(
        self,
        runs: Runs,
        sessions: KeptSessions,
        *,
        total_s: float,
        room: Allowance,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs = runs
        self._sessions = sessions
        self._total_s = total_s
        self._room_bytes = room.output_bytes + room.rich_bytes
        self._clock = clock

    def export(self, session_id: str, caller: Caller) -> Notebook:
        """What was run in a session so far, as a notebook. Raises NotFound or Gone."""
        language = self._sessions.show(session_id, caller).language
        ran = self._sessions.transcript(session_id, caller)
        outputs = CellOutputs(self._room_bytes)
        for cell in ran:
            outputs.start()
            for event in cell.events:
                outputs.add(event)
            # The cell that stands for dropped runs has no number and says so itself.
            outputs.end(_verdict(cell.events), cell.execution_count, is_cut=cell.is_cut and cell.execution_count > 0)
        cells = []
        for number, (cell, (shown, count, is_cut)) in enumerate(zip(ran, outputs.render(), strict=True)):
            source = cell.code or (_NO_CODE.format(cell.task) if cell.execution_count else "")
            metadata: dict[str, Json] = {"omega": {"truncated": True}} if is_cut or cell.is_cut else {}
            cells.append(NotebookCell("code", f"run-{number}", source, metadata, None, shown, count))
        return Notebook(cells, metadata_for(language))

    async def execute(
        self, asked: NotebookRequest, caller: Caller, run_id: str, allowance: Allowance, on_progress: OnProgress
    ) -> Executed:
        """Run the cells in order in a new session, which ends with them, or in the one that *asked* names.

        Raises what creating a session raises; NotFound, Gone or Conflict for one that can't be used; and Busy, Unavailable
        or TooManyRequests when a cell could not be run at all.
        """
        async with self._session(asked, caller) as session_id:
            runs = _Runs(self._runs, caller, run_id, session_id, allowance)
            return await _Execution(asked, runs, on_progress, self._room_bytes, self._clock, self._total_s).run()

    @asynccontextmanager
    async def _session(self, asked: NotebookRequest, caller: Caller) -> AsyncIterator[str]:
        if asked.session:
            view = self._sessions.show(asked.session, caller)
            if view.language != asked.language:
                raise Conflict(f"The session is a {view.language} session: a notebook in {asked.language} can't run in it.")
            yield view.id
            return
        view = await self._sessions.create(NewSession(asked.language, SESSION_NAME, asked.timeout_s), caller)
        try:
            yield view.id
        finally:
            # Also when the caller is gone, which cancels this.
            await asyncio.shield(self._sessions.delete(view.id, caller))


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs in one session."""

    runs: Runs
    caller: Caller
    run_id: str
    session_id: str
    allowance: Allowance

    async def run(self, index: int, request: RunRequest, left_bytes: int, on_event: OnEvent) -> Result:
        """The result of the cell *index*, which may show no more than *left_bytes*. Each is a run with an id of its own."""
        allowance = Allowance(min(self.allowance.output_bytes, left_bytes), min(self.allowance.rich_bytes, left_bytes))
        request = replace(request, session=self.session_id)
        return await self.runs.run(Submission(request, self.caller, f"{self.run_id}-{index}", allowance), on_event)


@dataclass(slots=True)
class _StoppedAt:
    error: Raised
    index: int
    limit: Limit | None = None


@dataclass(slots=True)
class _Execution:
    """One notebook's execution."""

    asked: NotebookRequest
    runs: _Runs
    on_progress: OnProgress
    room_bytes: int
    clock: Callable[[], float]
    total_s: float
    _left_bytes: int = field(init=False)
    _ran: list[int] = field(default_factory=list)
    _failed: int = 0

    async def run(self) -> Executed:
        """Execute it."""
        begun, self._left_bytes = self.clock(), self.room_bytes
        outputs = CellOutputs(self.room_bytes)
        stop: _StoppedAt | None = None
        for index, cell in enumerate(self.asked.notebook.cells):
            if cell.is_to_run:
                stop = self._check_room(index, begun) or await self._run_cell(index, cell, outputs, begun)
            if stop is not None:
                break
        rendered = dict(zip(self._ran, outputs.render(), strict=True))
        cells = [
            replace(cell, outputs=rendered[index][0], execution_count=rendered[index][1]) if index in rendered else cell
            for index, cell in enumerate(self.asked.notebook.cells)
        ]
        metadata = {**metadata_for(self.asked.language), **self.asked.notebook.metadata}
        return Executed(
            Notebook(cells, metadata),
            ran=len(self._ran),
            failed=self._failed,
            wall_s=self.clock() - begun,
            error=stop.error if stop else None,
            stopped_at=stop.index if stop else None,
            limit=stop.limit if stop else None,
            is_cut=any(is_cut for _, _, is_cut in rendered.values()),
        )

    def _check_room(self, index: int, begun: float) -> _StoppedAt | None:
        """Why the next cell is not begun."""
        if self.clock() - begun >= self.total_s:
            return _StoppedAt(_OUT_OF_TIME, index, Limit.TIMEOUT)
        if self._left_bytes < MIN_BYTES:
            return _StoppedAt(_FULL, index, Limit.OUTPUT)
        return None

    async def _run_cell(self, index: int, cell: NotebookCell, outputs: CellOutputs, begun: float) -> _StoppedAt | None:
        """Run one cell; why nothing may run after it."""

        def take(event: Event) -> None:
            self._left_bytes -= _cost(event)
            outputs.add(event)
            self.on_progress(event)

        left_s = self.total_s - (self.clock() - begun)
        timeout_s = min(self.asked.timeout_s, left_s)
        self.on_progress(CellStarted(index, cell.cell_id))
        outputs.start()
        given = NOTHING_GIVEN if self._ran else Given(self.asked.files)
        self._ran.append(index)
        request = RunRequest(self.asked.language, cell.source, timeout_s, given=given)
        result = await self.runs.run(index, request, self._left_bytes, take)
        error = result.error or (None if result.success else Raised("ExecutionError", "The cell failed", ""))
        outputs.end(error, result.execution_count, is_cut=result.truncated)
        self._failed += error is not None
        self.on_progress(CellDone(index, cell.cell_id, result))
        if error is not None and left_s < self.asked.timeout_s and result.limit is Limit.TIMEOUT:
            return _StoppedAt(_OUT_OF_TIME, index, Limit.TIMEOUT)
        has_no_files = bool(given.files) and error is not None and error.type == NO_FILES
        if error is not None and (has_no_files or not self._tolerates(cell)):
            return _StoppedAt(error, index, result.limit)
        if result.kernel_replaced:
            return _StoppedAt(error or _LOST, index, result.limit or Limit.DIED)
        return None

    def _tolerates(self, cell: NotebookCell) -> bool:
        return self.asked.allows_errors or "raises-exception" in cell.tags


def _verdict(events: Sequence[Event]) -> Raised | None:
    """The error a run ended with, in a transcript its last one; an exit with status 0 is none."""
    raised = next((event for event in reversed(events) if isinstance(event, Raised)), None)
    is_exit = raised is not None and raised.type == "SystemExit" and raised.message in ("", "0", "None")
    return None if is_exit else raised


def _cost(event: Event) -> int:
    return EVENT_BYTES + (content_bytes(event) if isinstance(event, Text | Display) else 0)

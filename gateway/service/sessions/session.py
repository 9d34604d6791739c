"""One session: a kernel that keeps its state from run to run, used by one run at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from gateway.core.errors import Busy, Conflict, GatewayError, Unavailable
from gateway.core.model import LOOKS, Event, KernelReport, Limit, OnEvent, Raised, Result, RunSpec
from gateway.core.request import Caller
from gateway.pool.kernel import Kernel
from gateway.service.sessions.kernel_slot import KernelSlot, SessionPool, SessionRecipe
from gateway.service.sessions.transcript import Cell, Recording, Transcript
from gateway.service.sessions.turns import Turns
from kernels.contract import Language

MAX_WAITING = 32
"""Runs of one session that may wait for their turn."""
RESTARTED = "The session was restarted before this run began."
UNWIND_S = 5.0
"""How long at most a run may take to end whose kernel is gone."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session as a caller asked for it. *timeout_s* is what its runs have unless they ask for another time.

    *idle_s* is how long it may be without a run; None is the gateway's own. *env* and *cwd* (a directory below the work
    directory, made when missing) are there before any code runs, also after a restart.
    """

    language: Language = "python"
    name: str = ""
    timeout_s: float = 30.0
    idle_s: float | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""


@dataclass(frozen=True, slots=True)
class RunStopped:
    """What came of an interrupt. *kernel_replaced*: the session has lost its state, because the code did not stop."""

    was_running: bool
    kernel_replaced: bool


class Session:
    """One live session. Sessions handles ownership and expiry."""

    def __init__(self, session_id: str, asked: NewSession, caller: Caller, pool: SessionPool, transcript_bytes: int) -> None:
        self.id = session_id
        self.asked = asked
        self.caller = caller
        self.execution_count = 0
        self.replacements = 0
        """How often its kernel was lost and replaced by another."""
        self._slot = KernelSlot(pool, SessionRecipe(asked.language, caller.policy, asked.env, asked.cwd))
        self._turns = Turns(MAX_WAITING)
        self._transcript = Transcript(transcript_bytes)
        self._inside = 0
        self._is_running = False
        self._restarts = 0
        self._ended: GatewayError | None = None

    @property
    def language(self) -> Language:
        """What its kernel speaks."""
        return self.asked.language

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way in it or waits for its turn."""
        return self._inside > 0

    @property
    def state(self) -> str:
        """unused (a context that has no kernel yet), starting, busy or idle."""
        if self._slot.present is None:
            return "starting" if self._slot.has_begun else "unused"
        return "busy" if self._turns.is_taken else "idle"

    @property
    def kernel_id(self) -> str:
        """The name of the kernel it has now; raises Busy while it has none."""
        kernel = self._slot.present
        if kernel is None:
            raise Busy("The session's kernel is being replaced: try again.", retry_after_s=1.0)
        return kernel.kernel_id

    def cells(self) -> tuple[Cell, ...]:
        """The runs so far."""
        return self._transcript.cells()

    async def start(self) -> None:
        """Get the first kernel. Raises Busy, Unavailable, or BadRequest if it can't be set up as asked."""
        await self._slot.ready()

    @asynccontextmanager
    async def lease(self, patience_s: float | None = None) -> AsyncIterator[Turn]:
        """Wait for the turn and have the kernel inside the block; see Turns.turn for what it raises."""
        restarts = self._restarts
        self._inside += 1
        try:
            async with self._turns.turn(patience_s):
                self._check(restarts)
                yield Turn(self, restarts)
        finally:
            self._inside -= 1

    async def interrupt(self) -> bool:
        """Interrupt the run under way; whether there was one."""
        kernel = self._slot.present
        if not self._is_running or kernel is None:
            return False
        await kernel.interrupt()
        return True

    async def stop_run(self) -> RunStopped:
        """Interrupt the run under way, and wait until it has ended: at the latest when its kernel is killed for it."""
        ended, before = self._turns.end_of_turn(), self._kernels_lost
        if not await self.interrupt():
            return RunStopped(was_running=False, kernel_replaced=False)
        await ended
        return RunStopped(was_running=True, kernel_replaced=self._kernels_lost != before or self._ended is not None)

    @property
    def _kernels_lost(self) -> int:
        return self.replacements + self._restarts

    async def restart(self) -> None:
        """Take a new kernel: the run under way ends, those that wait are refused, all state is lost."""
        self._restarts += 1
        self.execution_count = 0
        self._turns.turn_away(Conflict(RESTARTED))
        ended = self._turns.end_of_turn()
        self._slot.renew()
        await self._slot.ready()
        await asyncio.wait({ended}, timeout=UNWIND_S)  # so that the caller sees an idle session

    def end(self, reason: GatewayError) -> None:
        """End it for good; runs that wait get *reason*."""
        self._ended = reason
        self._turns.turn_away(reason)
        self._slot.close(reason)

    # ---- one run, in its turn ---------------------------------------------------------------------------------------

    async def run_turn(self, spec: RunSpec, on_event: OnEvent | None, restarts: int) -> Result:
        """Run *spec* on the kernel; if that is gone, on a new one, and then the result says so."""
        spec = replace(spec, timeout_s=spec.timeout_s or self.asked.timeout_s)
        is_seen = spec.task not in LOOKS
        self.execution_count += is_seen
        count = self.execution_count
        recording = self._transcript.begin(spec.task, spec.code, count)
        result: Result | None = None
        try:
            result = await self._run_somewhere(spec, _tee(recording, on_event, count), restarts)
            return replace(result, execution_count=count)
        finally:
            if is_seen:
                self._transcript.add(recording.finish(result))

    async def _run_somewhere(self, spec: RunSpec, on_event: OnEvent, restarts: int) -> Result:
        kernel = await self._kernel(restarts)
        if _is_gone(kernel):
            return await self._run_anew(spec, on_event, restarts)
        try:
            return await self._run_on(kernel, spec, on_event, restarts)
        except Unavailable:
            if not _is_gone(kernel):
                raise
            return await self._run_anew(spec, on_event, restarts)

    async def _run_anew(self, spec: RunSpec, on_event: OnEvent, restarts: int) -> Result:
        """Run on another kernel, without the state: the kernel has died since the last run."""
        self._check(restarts)
        self._replace()
        result = await self._run_on(await self._kernel(restarts), spec, on_event, restarts)
        return replace(result, kernel_replaced=True)

    async def _run_on(self, kernel: Kernel, spec: RunSpec, on_event: OnEvent, restarts: int) -> Result:
        self._is_running = spec.task not in LOOKS
        try:
            result = await kernel.run(spec, on_event)
        finally:
            self._is_running = False
        if result.kernel_replaced and self._ended is not None:
            return _cut_short(result, "SessionEnded", self._ended.message)
        if result.kernel_replaced and restarts != self._restarts:
            return _cut_short(result, "SessionRestarted", "The session was restarted during this run; its state is gone.")
        if result.kernel_replaced:
            self._replace()
        return result

    async def _kernel(self, restarts: int) -> Kernel:
        self._check(restarts)
        kernel = await self._slot.ready()
        self._check(restarts)
        return kernel

    def _replace(self) -> None:
        """Replace the lost kernel. No other run does so at the same time: it is this run's turn."""
        self.replacements += 1
        self._slot.renew()

    def _check(self, restarts: int) -> None:
        """Raise the reason if a run that came when *restarts* were counted must not go on."""
        if self._ended is not None:
            raise self._ended
        if restarts != self._restarts:
            raise Conflict(RESTARTED)


class Turn:
    """The kernel of a session for one turn; see request.LentKernel."""

    def __init__(self, session: Session, restarts: int) -> None:
        self._session = session
        self._restarts = restarts

    async def run(self, spec: RunSpec, on_event: OnEvent | None = None) -> Result:
        """The result of one run; a timeout of 0 means the session's own.

        *execution_count* is the session's. *kernel_replaced* says that the state of the session is lost: its kernel died in
        this run or after the last one.
        """
        return await self._session.run_turn(spec, on_event, self._restarts)

    async def interrupt(self) -> bool:
        """Interrupt the run under way; whether there was one."""
        return await self._session.interrupt()


def _is_gone(kernel: Kernel) -> bool:
    """Whether no run can be tried on it. This may change with each await."""
    return not kernel.is_alive


def _tee(recording: Recording, on_event: OnEvent | None, count: int) -> OnEvent:
    """Send events to both; the run's number is the session's, whatever the kernel says."""

    def take(event: Event) -> None:
        recording.add(event)
        if on_event is not None:
            on_event(replace(event, execution_count=count) if isinstance(event, KernelReport) else event)

    return take


def _cut_short(result: Result, kind: str, message: str) -> Result:
    error = Raised(kind, message, "")
    return replace(result, success=False, error=error, exit_code=result.exit_code or 1, limit=Limit.DIED)

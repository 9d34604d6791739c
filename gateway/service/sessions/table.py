"""All sessions: which key each belongs to, and when it ends."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from gateway.core.errors import Conflict, Gone, NotFound, NotImplementedYet
from gateway.core.request import Caller
from gateway.service.drain import Drain
from gateway.service.kept_kernels import Quota
from gateway.service.session_feed import CurrentRun, SessionFeed
from gateway.service.sessions.ended import EndedSessions, duration, end_sentence
from gateway.service.sessions.expiry import Expiry
from gateway.service.sessions.kernel_slot import SessionPool, SharedPlace
from gateway.service.sessions.session import NewSession, RunStopped, Session, Turn
from gateway.service.sessions.transcript import Cell
from kernels.contract import Language

__all__ = ["Cell", "NewSession", "RunStopped", "SessionSettings", "SessionView", "Sessions"]

ID_BYTES = 16
PYTHON: frozenset[Language] = frozenset({"python"})

_log = structlog.get_logger("omega.sessions")


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How long sessions live: *idle_s* without a run unless the caller asks otherwise; *lifetime_s* in all, 0 for ever."""

    idle_s: float = 1800.0
    lifetime_s: float = 0.0
    transcript_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as it is shown. Times are seconds since the epoch; *expires_utc* is None while a run is under way."""

    id: str
    name: str
    language: Language
    state: str
    created_utc: float
    last_activity_utc: float
    idle_s: float
    timeout_s: float
    execution_count: int
    kernels_replaced: int
    cwd: str
    expires_utc: float | None
    current_run: CurrentRun | None = None
    is_busy: bool = False
    """Whether a run is under way in it or waits for its turn."""
    sandbox_id: str = ""
    """The sandbox whose context it is, if it is one; that says when it ends."""


class SessionMeter(Protocol):
    """Counts sessions."""

    def session_started(self, language: str) -> None:
        """A session has started."""

    def session_ended(self, language: str, how: str) -> None:
        """A session has ended: culled, expired, deleted, with its key (revoked) or with the gateway (shutdown)."""


@dataclass(eq=False, slots=True)
class _Kept:
    """A session with its times: *expiry* on the loop's clock, *_utc* on the wall's."""

    session: Session
    expiry: Expiry
    created_utc: float
    active_utc: float
    feed: SessionFeed = field(default_factory=SessionFeed)
    timer: asyncio.TimerHandle | None = None
    place: SharedPlace | None = None


class Sessions:
    """The table of sessions. Callers get NotFound for sessions of other keys, as for those that never were."""

    def __init__(
        self,
        pool: SessionPool,
        quota: Quota,
        drain: Drain,
        meter: SessionMeter,
        settings: SessionSettings | None = None,
        *,
        languages: Collection[Language] = PYTHON,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._quota = quota
        self._drain = drain
        self._meter = meter
        self._settings = settings or SessionSettings()
        self._languages = languages
        self._wall_clock = wall_clock
        self._kept: dict[str, _Kept] = {}
        self._ended = EndedSessions()

    # ---- what callers ask for ---------------------------------------------------------------------------------------

    async def create(self, asked: NewSession, caller: Caller) -> SessionView:
        """A new session with a kernel. Raises NotImplementedYet, TooManyRequests, Busy, Unavailable or BadRequest."""
        _check_language(asked.language, self._languages)
        with self._drain.enter():
            self._quota.take(caller)
            session = Session(secrets.token_hex(ID_BYTES), asked, caller, self._pool, self._settings.transcript_bytes)
            try:
                await session.start()
            except BaseException:
                session.end(Gone("The session did not start."))
                self._quota.give_back(caller)
                raise
            return _view(self._keep(session, None), self._wall_clock())

    async def add_context(
        self, asked: NewSession, caller: Caller, place: SharedPlace, *, is_lazy: bool = False
    ) -> SessionView:
        """A session of the sandbox *place*, which has its seat and its times. A lazy one gets its kernel at the first use.

        Raises what create() does, but TooManyRequests.
        """
        _check_language(asked.language, self._languages)
        session = Session(secrets.token_hex(ID_BYTES), asked, caller, place, self._settings.transcript_bytes)
        if not is_lazy:
            try:
                await session.start()
            except BaseException:
                session.end(Gone("The context did not start."))
                raise
        return _view(self._keep(session, place), self._wall_clock())

    def list(self, caller: Caller, place: SharedPlace | None = None) -> Sequence[SessionView]:
        """The caller's sessions, or those of the sandbox *place*; the oldest first."""
        kept = [kept for kept in self._kept.values() if kept.place is place]
        return [_view(one, self._wall_clock()) for one in kept if one.session.caller.key_id == caller.key_id]

    def show(self, session_id: str, caller: Caller) -> SessionView:
        """One session. Raises NotFound or Gone, like all methods below."""
        return _view(self._find(session_id, caller), self._wall_clock())

    async def delete(self, session_id: str, caller: Caller) -> None:
        """End a session; the run under way fails with an error that says so."""
        self._end(self._find(session_id, caller), "deleted", "was deleted")

    async def interrupt(self, session_id: str, caller: Caller) -> RunStopped:
        """Interrupt the run under way, and wait until it has ended; the answer says whether the kernel had to go."""
        kept = self._find(session_id, caller)
        self._touch(kept)
        return await kept.session.stop_run()

    async def restart(self, session_id: str, caller: Caller) -> SessionView:
        """The same session with a new kernel and no state. Raises Busy or Unavailable if there is no kernel."""
        kept = self._find(session_id, caller)
        with self._drain.enter():
            self._touch(kept)
            try:
                await kept.session.restart()
            finally:
                kept.feed.restarted()
                self._touch(kept)
        return _view(self._find(session_id, caller), self._wall_clock())

    @asynccontextmanager
    async def lease(
        self,
        session_id: str,
        caller: Caller,
        *,
        language: Language | None = None,
    ) -> AsyncIterator[Turn]:
        """The session's kernel, once it is the caller's turn: runs of one session go one by one, in order of arrival.

        Raises Conflict if the session is of another language, and TooManyRequests if too many runs wait.
        """
        kept = self._find_usable(session_id, caller)
        session = kept.session
        if language is not None and language != session.language:
            raise Conflict(f"The session is a {session.language} session: {language} can't run in it.")
        try:
            async with session.lease() as turn:
                yield turn
        finally:
            self._touch(kept)

    @asynccontextmanager
    async def look(self, session_id: str, caller: Caller, *, patience_s: float) -> AsyncIterator[Turn]:
        """The session's kernel for a look at what it has. It waits for its turn as a run does, but is no activity.

        Raises TooManyRequests if too many runs wait, and Busy if the turn has not come after *patience_s*.
        """
        kept = self._find_usable(session_id, caller)
        try:
            async with kept.session.lease(patience_s) as turn:
                yield turn
        finally:
            self._watch(kept)

    def kernel_id(self, session_id: str, caller: Caller) -> str:
        """The id of the kernel by which its files are reached. Raises Busy while it has none."""
        kept = self._find(session_id, caller)
        return kept.session.kernel_id if kept.place is None else kept.place.place_id

    def note_activity(self, session_id: str, caller: Caller) -> None:
        """Something is done in the session beside its runs."""
        self._touch(self._find(session_id, caller))

    def transcript(self, session_id: str, caller: Caller) -> Sequence[Cell]:
        """The runs of the session so far; transcript.Transcript.cells says what is left out."""
        return self._find(session_id, caller).session.cells()

    def feed(self, session_id: str, caller: Caller) -> SessionFeed:
        """What happens in the session, for those who watch it: watching is no activity."""
        return self._find(session_id, caller).feed

    # ---- what the gateway asks for ----------------------------------------------------------------------------------

    def states(self) -> Mapping[tuple[str, str], int]:
        """How many sessions there are by language and state."""
        counts: dict[tuple[str, str], int] = {}
        for kept in self._kept.values():
            name = (kept.session.language, kept.session.state)
            counts[name] = counts.get(name, 0) + 1
        return counts

    def keep_only(self, key_ids: frozenset[str]) -> None:
        """End the sessions of all other keys and their runs, and forget those that had ended."""
        for kept in list(self._kept.values()):
            if kept.session.caller.key_id not in key_ids:
                self._end(kept, "revoked", "was ended because its key is no longer valid")
        self._ended.keep_only(key_ids)

    def end_contexts(self, place: SharedPlace, how: str, reason: str) -> None:
        """End the sessions of a sandbox that has ended for *reason*."""
        for kept in [kept for kept in self._kept.values() if kept.place is place]:
            self._end(kept, how, f"ended with its sandbox, which {reason}")

    async def close(self) -> None:
        """End all sessions."""
        for kept in list(self._kept.values()):
            self._end(kept, "shutdown", "ended when the gateway stopped")

    # ---- beginning and end ------------------------------------------------------------------------------------------

    def _keep(self, session: Session, place: SharedPlace | None) -> _Kept:
        now, now_utc, lifetime_s = _now(), self._wall_clock(), self._settings.lifetime_s
        idle_s = place.idle_s if place is not None else session.asked.idle_s or self._settings.idle_s
        ends_at = now + lifetime_s if lifetime_s and place is None else math.inf
        kept = _Kept(session, Expiry(idle_s, ends_at, now), now_utc, now_utc, place=place)
        self._kept[session.id] = kept
        self._watch(kept)
        self._meter.session_started(session.language)
        _log.info("session started", key=session.caller.name, language=session.language, idle_s=idle_s)
        return kept

    def _end(self, kept: _Kept, how: str, reason: str) -> None:
        session = kept.session
        if self._kept.pop(session.id, None) is None:
            return
        if kept.timer is not None:
            kept.timer.cancel()
        sentence = end_sentence(reason, self._wall_clock())
        self._ended.remember(session.caller.key_id, session.id, sentence)
        session.end(Gone(sentence))
        kept.feed.end(how, sentence)
        if kept.place is None:
            self._quota.give_back(session.caller)
        self._meter.session_ended(session.language, how)
        _log.info("session ended", key=session.caller.name, language=session.language, how=how)

    def _touch(self, kept: _Kept) -> None:
        kept.expiry, kept.active_utc = kept.expiry.touched(_now()), self._wall_clock()
        if kept.place is not None:
            kept.place.note_activity()
        self._watch(kept)

    def _watch(self, kept: _Kept) -> None:
        """Set the timer for when the session is due; while it is busy, the end of its last run does that."""
        if kept.timer is not None:
            kept.timer.cancel()
        if kept.session.id in self._kept and not kept.session.is_busy and kept.place is None:
            kept.timer = asyncio.get_running_loop().call_at(kept.expiry.due_at, self._look, kept)

    def _look(self, kept: _Kept) -> None:
        match kept.expiry.due(_now(), is_busy=kept.session.is_busy):
            case None:
                self._watch(kept)
            case "expired":
                self._end(kept, "expired", _lifetime_reason(self._settings))
            case "culled":
                self._end(kept, "culled", f"was ended after {duration(kept.expiry.idle_s)} without a run")

    # ---- small things -----------------------------------------------------------------------------------------------

    def _find(self, session_id: str, caller: Caller) -> _Kept:
        kept = self._kept.get(session_id)
        if kept is not None and kept.session.caller.key_id == caller.key_id:
            return kept
        sentence = self._ended.why(caller.key_id, session_id)
        if sentence is not None:
            raise Gone(sentence)
        raise NotFound("There is no such session.")

    def _find_usable(self, session_id: str, caller: Caller) -> _Kept:
        """The session, if something may still begin in it."""
        kept = self._find(session_id, caller)
        if kept.expiry.has_expired(_now()):
            raise Gone(end_sentence(_lifetime_reason(self._settings), self._wall_clock()))
        return kept


def _check_language(language: Language, languages: Collection[Language]) -> None:
    if language not in languages:
        raise NotImplementedYet(f"Sessions in {language} are not available: use {' or '.join(sorted(languages))}.")


def _view(kept: _Kept, now_utc: float) -> SessionView:
    session = kept.session
    left_s = kept.expiry.due_at - _now()
    has_end = kept.place is None and not session.is_busy
    return SessionView(
        id=session.id,
        name=session.asked.name,
        language=session.language,
        state=session.state,
        created_utc=kept.created_utc,
        last_activity_utc=kept.active_utc,
        idle_s=kept.expiry.idle_s,
        timeout_s=session.asked.timeout_s,
        execution_count=session.execution_count,
        kernels_replaced=session.replacements,
        cwd=session.asked.cwd,
        expires_utc=now_utc + left_s if has_end else None,
        current_run=kept.feed.current,
        is_busy=session.is_busy,
        sandbox_id=kept.place.sandbox_id if kept.place is not None else "",
    )


def _lifetime_reason(settings: SessionSettings) -> str:
    return f"reached its maximum lifetime, {duration(settings.lifetime_s)}"


def _now() -> float:
    return asyncio.get_running_loop().time()

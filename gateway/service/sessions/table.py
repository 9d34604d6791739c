"""All sessions: who they belong to, when they end, and what is said of them afterwards."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from gateway.core.errors import Conflict, Gone, NotFound, NotImplementedYet
from gateway.core.request import Caller
from gateway.service.drain import Drain
from gateway.service.kept_kernels import Quota
from gateway.service.sessions.kernel_slot import Pool
from gateway.service.sessions.session import NewSession, Session, Turn
from gateway.service.sessions.transcript import Cell
from kernels.contract import Language

__all__ = ["Cell", "NewSession", "SessionSettings", "SessionView", "Sessions"]

MAX_ENDED = 1000
"""Ended sessions remembered of each key; of those before it is only said that they are not there."""
ID_BYTES = 16
PYTHON: frozenset[Language] = frozenset({"python"})

_log = structlog.get_logger("omega.sessions")


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How long sessions live: *idle_s* without a run unless they ask for another time; *lifetime_s* in all, 0 for ever."""

    idle_s: float = 1800.0
    lifetime_s: float = 0.0
    transcript_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as it is shown. Times are seconds since the epoch; *expires_utc* is None while something runs in it."""

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


class Meter(Protocol):
    """Counts sessions."""

    def session_started(self, language: str) -> None:
        """There is one more."""

    def session_ended(self, language: str, how: str) -> None:
        """One has ended: culled, expired, deleted, with its key (revoked) or with the gateway (shutdown)."""


class _Kept:
    """A session with its times: *_at* on the loop's clock, *_utc* on the wall's."""

    def __init__(self, session: Session, idle_s: float, ends_at: float, now: float, now_utc: float) -> None:
        self.session = session
        self.idle_s = idle_s
        self.ends_at = ends_at
        self.created_utc = now_utc
        self.active_at, self.active_utc = now, now_utc
        self.timer: asyncio.TimerHandle | None = None

    @property
    def due_at(self) -> float:
        """When it is to be ended unless something is done in it before."""
        return min(self.active_at + self.idle_s, self.ends_at)

    def touch(self, now: float, now_utc: float) -> None:
        """Something was done in it just now."""
        self.active_at, self.active_utc = now, now_utc


class _Ended:
    """What is said of the sessions of each key that have ended."""

    def __init__(self) -> None:
        self._sentences: dict[str, OrderedDict[str, str]] = {}

    def add(self, key_id: str, session_id: str, sentence: str) -> None:
        """Remember one; the oldest of too many is forgotten."""
        ended = self._sentences.setdefault(key_id, OrderedDict())
        ended[session_id] = sentence
        if len(ended) > MAX_ENDED:
            ended.popitem(last=False)

    def sentence(self, key_id: str, session_id: str) -> str | None:
        """What is said of a session, or None when it is not known."""
        return self._sentences.get(key_id, OrderedDict()).get(session_id)

    def keep_only(self, key_ids: frozenset[str]) -> None:
        """Forget those of all other keys."""
        for key_id in self._sentences.keys() - key_ids:
            del self._sentences[key_id]


class Sessions:
    """The table of sessions. A session of another key, and one that never was, are both not there."""

    def __init__(
        self,
        pool: Pool,
        quota: Quota,
        drain: Drain,
        meter: Meter,
        settings: SessionSettings | None = None,
        *,
        languages: Collection[Language] = PYTHON,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._seats = quota
        self._drain = drain
        self._meter = meter
        self._settings = settings or SessionSettings()
        self._languages = languages
        self._wall_clock = wall_clock
        self._kept: dict[str, _Kept] = {}
        self._ended = _Ended()

    # ---- what callers ask for ---------------------------------------------------------------------------------------

    async def create(self, asked: NewSession, caller: Caller) -> SessionView:
        """A new session, its kernel ready. Raises NotImplementedYet, TooManyRequests, Busy, Unavailable, BadRequest."""
        if asked.language not in self._languages:
            raise NotImplementedYet(
                f"Sessions can't be in {asked.language} here: use {' or '.join(sorted(self._languages))}."
            )
        with self._drain.enter():
            self._seats.take(caller)
            session = Session(secrets.token_hex(ID_BYTES), asked, caller, self._pool, self._settings.transcript_bytes)
            try:
                await session.start()
            except BaseException:
                session.end(Gone("The session did not start."))
                self._seats.give_back(caller)
                raise
            return self._view(self._keep(session))

    def list(self, caller: Caller) -> Sequence[SessionView]:
        """The caller's sessions, the oldest first."""
        return [self._view(kept) for kept in self._kept.values() if kept.session.caller.key_id == caller.key_id]

    def show(self, session_id: str, caller: Caller) -> SessionView:
        """One session. Raises NotFound or Gone, as everything below does."""
        return self._view(self._find(session_id, caller))

    async def delete(self, session_id: str, caller: Caller) -> None:
        """End a session; what runs in it ends with an error that says so."""
        self._end(self._find(session_id, caller), "deleted", "was deleted")

    async def interrupt(self, session_id: str, caller: Caller) -> bool:
        """Ask the run that is going on to stop; whether there was one."""
        kept = self._find(session_id, caller)
        self._touch(kept)
        return await kept.session.interrupt()

    async def restart(self, session_id: str, caller: Caller) -> SessionView:
        """The same session with a new kernel and no state; Busy or Unavailable when there is none to be had."""
        kept = self._find(session_id, caller)
        with self._drain.enter():
            self._touch(kept)
            try:
                await kept.session.restart()
            finally:
                self._touch(kept)
        return self._view(self._find(session_id, caller))

    @asynccontextmanager
    async def lease(
        self,
        session_id: str,
        caller: Caller,
        *,
        language: Language | None = None,
    ) -> AsyncIterator[Turn]:
        """The session's kernel, when its turn has come: runs of one session go one by one, in order of arrival.

        Raises Conflict when the session does not speak *language*, and TooManyRequests when too many wait.
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
        """The session's kernel for a look at what it has: it waits for its turn as a run does, but is no activity.

        Raises TooManyRequests when too many wait, and Busy when the turn has not come after *patience_s*.
        """
        kept = self._find_usable(session_id, caller)
        try:
            async with kept.session.lease(patience_s) as turn:
                yield turn
        finally:
            self._watch(kept)

    def kernel_id(self, session_id: str, caller: Caller) -> str:
        """The name of the kernel the session has now; Busy while it has none."""
        return self._find(session_id, caller).session.kernel_id

    def note_activity(self, session_id: str, caller: Caller) -> None:
        """Something is done in the session, beside its runs."""
        self._touch(self._find(session_id, caller))

    def transcript(self, session_id: str, caller: Caller) -> Sequence[Cell]:
        """What was run in the session so far; see transcript.Transcript.cells for what is left out."""
        return self._find(session_id, caller).session.cells()

    # ---- what the gateway asks for ----------------------------------------------------------------------------------

    def states(self) -> Mapping[tuple[str, str], int]:
        """How many sessions there are by language and state."""
        counts: dict[tuple[str, str], int] = {}
        for kept in self._kept.values():
            name = (kept.session.language, kept.session.state)
            counts[name] = counts.get(name, 0) + 1
        return counts

    def keep_only(self, key_ids: frozenset[str]) -> None:
        """End the sessions of all other keys and what goes on in them; what is remembered of those keys is forgotten."""
        for kept in list(self._kept.values()):
            if kept.session.caller.key_id not in key_ids:
                self._end(kept, "revoked", "was ended because its key is not valid any more")
        self._ended.keep_only(key_ids)

    async def close(self) -> None:
        """End all sessions."""
        for kept in list(self._kept.values()):
            self._end(kept, "shutdown", "ended with the gateway")

    # ---- beginning and end ------------------------------------------------------------------------------------------

    def _keep(self, session: Session) -> _Kept:
        now, lifetime_s = _now(), self._settings.lifetime_s
        idle_s = session.asked.idle_s or self._settings.idle_s
        kept = _Kept(session, idle_s, now + lifetime_s if lifetime_s else math.inf, now, self._wall_clock())
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
        sentence = self._sentence(kept, reason)
        self._ended.add(session.caller.key_id, session.id, sentence)
        session.end(Gone(sentence))
        self._seats.give_back(session.caller)
        self._meter.session_ended(session.language, how)
        _log.info("session ended", key=session.caller.name, language=session.language, how=how)

    def _touch(self, kept: _Kept) -> None:
        kept.touch(_now(), self._wall_clock())
        self._watch(kept)

    def _watch(self, kept: _Kept) -> None:
        """Look again when the session is due; while it is busy its last run does that."""
        if kept.timer is not None:
            kept.timer.cancel()
        if kept.session.id in self._kept and not kept.session.is_busy:
            kept.timer = asyncio.get_running_loop().call_at(kept.due_at, self._look, kept)

    def _look(self, kept: _Kept) -> None:
        if kept.session.is_busy or _now() < kept.due_at:
            self._watch(kept)
        elif kept.due_at == kept.ends_at:
            self._end(kept, "expired", self._lifetime_reason())
        else:
            self._end(kept, "culled", f"was ended after {_duration(kept.idle_s)} without a run")

    def _lifetime_reason(self) -> str:
        return f"reached the longest life a session may have, {_duration(self._settings.lifetime_s)}"

    def _sentence(self, kept: _Kept, reason: str) -> str:
        moment = datetime.fromtimestamp(self._wall_clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"This session {reason}, at {moment}: create another one."

    # ---- small things -----------------------------------------------------------------------------------------------

    def _find(self, session_id: str, caller: Caller) -> _Kept:
        kept = self._kept.get(session_id)
        if kept is not None and kept.session.caller.key_id == caller.key_id:
            return kept
        sentence = self._ended.sentence(caller.key_id, session_id)
        if sentence is not None:
            raise Gone(sentence)
        raise NotFound("There is no such session.")

    def _find_usable(self, session_id: str, caller: Caller) -> _Kept:
        """The session, if something may still begin in it."""
        kept = self._find(session_id, caller)
        if _now() >= kept.ends_at:
            raise Gone(self._sentence(kept, self._lifetime_reason()))
        return kept

    def _view(self, kept: _Kept) -> SessionView:
        session = kept.session
        left_s = kept.due_at - _now()
        return SessionView(
            id=session.id,
            name=session.asked.name,
            language=session.language,
            state=session.state,
            created_utc=kept.created_utc,
            last_activity_utc=kept.active_utc,
            idle_s=kept.idle_s,
            timeout_s=session.asked.timeout_s,
            execution_count=session.execution_count,
            kernels_replaced=session.replacements,
            cwd=session.asked.cwd,
            expires_utc=None if session.is_busy else self._wall_clock() + left_s,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


def _duration(seconds: float) -> str:
    """*seconds* in words for people: 30 minutes, 1.5 seconds."""
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count != 1 else ''}"
    return f"{seconds:g} second{'s' if seconds != 1 else ''}"

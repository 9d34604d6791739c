"""All sandboxes: which key each belongs to, what is in it, and when it ends."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from gateway.core.errors import Gone, NotFound
from gateway.core.request import Caller
from gateway.service.drain import Drain
from gateway.service.kept_kernels import Quota
from gateway.service.sandboxes.commands import SandboxCommands
from gateway.service.sandboxes.contexts import SandboxContexts
from gateway.service.sandboxes.place_kernels import PlaceMaker
from gateway.service.sandboxes.sandbox import NewSandbox, Sandbox
from gateway.service.sessions.ended import EndedSessions, duration, end_sentence
from gateway.service.sessions.expiry import Expiry
from gateway.service.sessions.table import Sessions, SessionView
from kernels.contract import Language

__all__ = ["NewSandbox", "SandboxSettings", "SandboxView", "Sandboxes"]

_log = structlog.get_logger("omega.sandboxes")


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """*idle_s* is how long sandboxes may be without activity unless the caller asks otherwise, *lifetime_s* their longest
    life, 0 for ever. Each has a context of each of *languages*.
    """

    idle_s: float = 1800.0
    lifetime_s: float = 0.0
    languages: tuple[Language, ...] = ("python",)


@dataclass(frozen=True, slots=True)
class SandboxView:
    """A sandbox as it is shown. Times are seconds since the epoch.

    *ends_utc* is when it ends whatever is done in it, *expires_utc* when it ends unless something is; None for never.
    """

    id: str
    asked: NewSandbox
    is_busy: bool
    created_utc: float
    last_activity_utc: float
    idle_s: float
    ends_utc: float | None
    expires_utc: float | None
    contexts: Sequence[SessionView]
    commands: int


@dataclass(eq=False, slots=True)
class _KeptSandbox:
    """A sandbox with its times: *expiry* and *latest_end* on the loop's clock, *_utc* on the wall's."""

    sandbox: Sandbox
    expiry: Expiry
    latest_end: float
    created_utc: float
    active_utc: float
    timer: asyncio.TimerHandle | None = None


class Sandboxes:
    """The table of sandboxes. Callers get NotFound for those of other keys, as for those that never were."""

    def __init__(
        self,
        maker: PlaceMaker,
        sessions: Sessions,
        quota: Quota,
        drain: Drain,
        settings: SandboxSettings | None = None,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._maker = maker
        self._sessions = sessions
        self._quota = quota
        self._drain = drain
        self._settings = settings or SandboxSettings()
        self._wall_clock = wall_clock
        self._kept: dict[str, _KeptSandbox] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = EndedSessions()

    # ---- what callers ask for ---------------------------------------------------------------------------------------

    async def create(self, asked: NewSandbox, caller: Caller) -> SandboxView:
        """A new sandbox with its contexts. Raises TooManyRequests, Busy, Unavailable or BadRequest."""
        with self._drain.enter():
            self._quota.take(caller)
            try:
                place = await self._maker.make(caller.policy)
            except BaseException:
                self._quota.give_back(caller)
                raise
            idle_s = asked.idle_s or self._settings.idle_s
            kept = self._keep(Sandbox(asked, caller, place, self._sessions, self._drain, idle_s=idle_s))
            try:
                await kept.sandbox.contexts.furnish(self._settings.languages, asked.timeouts)
            except BaseException:
                self._end(kept, "failed", "did not start")
                raise
            return self._view(kept)

    def list(self, caller: Caller) -> Sequence[SandboxView]:
        """The caller's sandboxes, the oldest first."""
        return [self._view(kept) for kept in self._kept.values() if kept.sandbox.caller.key_id == caller.key_id]

    def show(self, sandbox_id: str, caller: Caller) -> SandboxView:
        """One sandbox. Raises NotFound or Gone, like all methods below."""
        return self._view(self._find(sandbox_id, caller))

    def extend(self, sandbox_id: str, caller: Caller, lifetime_s: float | None) -> SandboxView:
        """The same sandbox, which ends *lifetime_s* from now, sooner or later than before; None: as late as it may."""
        kept = self._find(sandbox_id, caller)
        kept.expiry = replace(kept.expiry, ends_at=_end_of(lifetime_s, kept.latest_end))
        self._touch(kept)
        return self._view(kept)

    async def delete(self, sandbox_id: str, caller: Caller) -> None:
        """End a sandbox; answers once nothing of it is left."""
        await asyncio.shield(self._end(self._find(sandbox_id, caller), "deleted", "was deleted"))

    def contexts(self, sandbox_id: str, caller: Caller) -> SandboxContexts:
        """The contexts of a sandbox."""
        return self._find(sandbox_id, caller).sandbox.contexts

    def commands(self, sandbox_id: str, caller: Caller) -> SandboxCommands:
        """The commands of a sandbox."""
        return self._find(sandbox_id, caller).sandbox.commands

    # ---- what the gateway asks for ----------------------------------------------------------------------------------

    def keep_only(self, key_ids: frozenset[str]) -> None:
        """End the sandboxes of all other keys, and forget those that had ended."""
        for kept in list(self._kept.values()):
            if kept.sandbox.caller.key_id not in key_ids:
                self._end(kept, "revoked", "was ended because its key is no longer valid")
        self._ended.keep_only(key_ids)

    def states(self) -> Mapping[str, int]:
        """How many sandboxes there are, by state."""
        busy = sum(kept.sandbox.is_busy for kept in self._kept.values())
        return {"busy": busy, "idle": len(self._kept) - busy}

    async def close(self) -> None:
        """End all sandboxes; answers once nothing of them is left."""
        for kept in list(self._kept.values()):
            self._end(kept, "shutdown", "ended when the gateway stopped")
        while self._tasks:
            await asyncio.wait(self._tasks)

    # ---- beginning and end ------------------------------------------------------------------------------------------

    def _keep(self, sandbox: Sandbox) -> _KeptSandbox:
        now, now_utc = _now(), self._wall_clock()
        latest = now + self._settings.lifetime_s if self._settings.lifetime_s else math.inf
        ends_at = _end_of(sandbox.asked.lifetime_s, latest)
        kept = _KeptSandbox(sandbox, Expiry(sandbox.idle_s, ends_at, now), latest, now_utc, now_utc)
        self._kept[sandbox.sandbox_id] = kept
        sandbox.on_activity = lambda: self._touch(kept)
        self._watch(kept)
        self._own(self._follow(kept))
        _log.info("sandbox started", key=sandbox.caller.name, idle_s=sandbox.idle_s)
        return kept

    async def _follow(self, kept: _KeptSandbox) -> None:
        """End the sandbox when its place is gone, whoever ended that."""
        await kept.sandbox.place.gone()
        if kept.sandbox.sandbox_id in self._kept:
            self._end(kept, "lost", "was ended because it went over a limit, or the gateway lost it")

    def _end(self, kept: _KeptSandbox, how: str, reason: str) -> asyncio.Task[None]:
        sandbox = kept.sandbox
        del self._kept[sandbox.sandbox_id]
        if kept.timer is not None:
            kept.timer.cancel()
        self._ended.remember(sandbox.caller.key_id, sandbox.sandbox_id, end_sentence(reason, self._wall_clock(), "sandbox"))
        sandbox.contexts.end(how, reason)
        _log.info("sandbox ended", key=sandbox.caller.name, how=how)
        return self._own(self._clear(sandbox))

    async def _clear(self, sandbox: Sandbox) -> None:
        """Remove all that is left of a sandbox, then give its seat back."""
        try:
            await sandbox.clear()
        finally:
            self._quota.give_back(sandbox.caller)

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _touch(self, kept: _KeptSandbox) -> None:
        kept.expiry, kept.active_utc = kept.expiry.touched(_now()), self._wall_clock()
        self._watch(kept)

    def _watch(self, kept: _KeptSandbox) -> None:
        """Set the timer for when it is due. While it is busy, only its end counts; the end of the work comes back here."""
        if kept.timer is not None:
            kept.timer.cancel()
        due_at = kept.expiry.ends_at if kept.sandbox.is_busy else kept.expiry.due_at
        if kept.sandbox.sandbox_id in self._kept and due_at < math.inf:
            kept.timer = asyncio.get_running_loop().call_at(due_at, self._look, kept)

    def _look(self, kept: _KeptSandbox) -> None:
        if kept.expiry.has_expired(_now()):
            self._end(kept, "expired", "reached the end of its lifetime")
        elif kept.expiry.due(_now(), is_busy=kept.sandbox.is_busy) is None:
            self._watch(kept)
        else:
            self._end(kept, "culled", f"was ended after {duration(kept.expiry.idle_s)} without activity")

    # ---- small things -----------------------------------------------------------------------------------------------

    def _find(self, sandbox_id: str, caller: Caller) -> _KeptSandbox:
        kept = self._kept.get(sandbox_id)
        if kept is not None and kept.sandbox.caller.key_id == caller.key_id:
            return kept
        sentence = self._ended.why(caller.key_id, sandbox_id)
        if sentence is not None:
            raise Gone(sentence)
        raise NotFound("There is no such sandbox.")

    def _view(self, kept: _KeptSandbox) -> SandboxView:
        sandbox, is_busy, now_utc = kept.sandbox, kept.sandbox.is_busy, self._wall_clock()
        due_at = kept.expiry.ends_at if is_busy else kept.expiry.due_at
        return SandboxView(
            id=sandbox.sandbox_id,
            asked=sandbox.asked,
            is_busy=is_busy,
            created_utc=kept.created_utc,
            last_activity_utc=kept.active_utc,
            idle_s=sandbox.idle_s,
            ends_utc=_utc(kept.expiry.ends_at, now_utc),
            expires_utc=_utc(due_at, now_utc),
            contexts=sandbox.contexts.list(),
            commands=len(sandbox.commands.running()),
        )


def _end_of(lifetime_s: float | None, latest: float) -> float:
    """When a life of *lifetime_s* from now ends."""
    return latest if lifetime_s is None else min(latest, _now() + lifetime_s)


def _utc(at: float, now_utc: float) -> float | None:
    """A time of the loop's clock as one of the wall's, which is *now_utc*; None for never."""
    return now_utc + at - _now() if at < math.inf else None


def _now() -> float:
    return asyncio.get_running_loop().time()

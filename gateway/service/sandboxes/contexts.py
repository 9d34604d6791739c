"""The contexts of one sandbox: sessions whose kernels come from its place instead of the pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gateway.core.errors import NotFound, TooManyRequests
from gateway.core.request import Caller
from gateway.service.drain import Drain
from gateway.service.sessions.kernel_slot import SharedPlace
from gateway.service.sessions.table import NewSession, Sessions, SessionView
from kernels.contract import Language

MAX_CONTEXTS = 8
RETRY_AFTER_S = 30.0


class SandboxContexts:
    """Makes, finds and ends them. What is done in them, sessions do: the id of a context is that of a session."""

    def __init__(self, place: SharedPlace, sessions: Sessions, caller: Caller, drain: Drain, env: Mapping[str, str]) -> None:
        self._place = place
        self._sessions = sessions
        self._caller = caller
        self._drain = drain
        self._env = env
        self._coming = 0

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way in one of them."""
        return any(view.is_busy for view in self.list())

    def list(self) -> Sequence[SessionView]:
        """All of them, the oldest first."""
        return self._sessions.list(self._caller, self._place)

    async def furnish(self, languages: Iterable[Language], timeouts: Mapping[Language, float]) -> None:
        """Make one of each language; only Python's gets its kernel at once. Raises Unavailable or BadRequest."""
        for language in languages:
            await self._make(NewSession(language, language, timeouts[language]), is_lazy=language != "python")

    async def add(self, asked: NewSession) -> SessionView:
        """One more. Raises TooManyRequests, NotImplementedYet, Unavailable or BadRequest."""
        if len(self.list()) + self._coming >= MAX_CONTEXTS:
            raise TooManyRequests(f"A sandbox may have {MAX_CONTEXTS} contexts: delete one.", retry_after_s=RETRY_AFTER_S)
        self._coming += 1
        try:
            with self._drain.enter():
                return await self._make(asked)
        finally:
            self._coming -= 1

    async def restart(self, context_id: str) -> SessionView:
        """The same context with a new kernel in the same place. Raises NotFound, Gone or Unavailable."""
        self._check(context_id)
        return await self._sessions.restart(context_id, self._caller)

    async def delete(self, context_id: str) -> None:
        """End one. Raises NotFound or Gone."""
        self._check(context_id)
        await self._sessions.delete(context_id, self._caller)

    def end(self, how: str, reason: str) -> None:
        """End all, with their sandbox."""
        self._sessions.end_contexts(self._place, how, reason)

    async def _make(self, asked: NewSession, *, is_lazy: bool = False) -> SessionView:
        """A context whose environment lies over the sandbox's."""
        asked = replace(asked, env={**self._env, **asked.env})
        return await self._sessions.add_context(asked, self._caller, self._place, is_lazy=is_lazy)

    def _check(self, context_id: str) -> None:
        if self._sessions.show(context_id, self._caller).sandbox_id != self._place.sandbox_id:
            raise NotFound("There is no such context in this sandbox.")

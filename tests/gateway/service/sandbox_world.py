"""Sandboxes on kernels without substance, in places whose commands are plain processes of this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.core.errors import Busy, Unavailable
from gateway.kernel.launch.launcher import LaunchRequest
from gateway.pool.kernel import Kernel
from gateway.service.drain import Drain
from gateway.service.kept_kernels import Quota
from gateway.service.sandboxes.place_kernels import PlaceMaker
from gateway.service.sandboxes.table import NewSandbox, Sandboxes, SandboxSettings, SandboxView
from gateway.service.sessions.table import Sessions
from kernels.contract import Language, Policy
from tests.fakes import FakePlaces, SilentKernel
from tests.gateway.service.session_world import ONE

LANGUAGES: tuple[Language, ...] = ("python", "javascript")


@dataclass
class World:
    """A table of sandboxes and what is behind it; it stands for the pool and the starter of guests."""

    settings: SandboxSettings = field(default_factory=lambda: SandboxSettings(languages=LANGUAGES))
    per_key: int = 3
    full: bool = False
    kernels: list[SilentKernel] = field(default_factory=list)
    discarded: list[Kernel] = field(default_factory=list)
    counted: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    drain: Drain = field(default_factory=Drain)

    def __post_init__(self) -> None:
        self.places = FakePlaces()
        self.quota = Quota(self.per_key)
        self.sessions = Sessions(self, self.quota, self.drain, self, languages=LANGUAGES, wall_clock=lambda: 1_000.0)
        maker = PlaceMaker(self, self, self.places, Policy(processes=9))
        self.sandboxes = Sandboxes(maker, self.sessions, self.quota, self.drain, self.settings, wall_clock=lambda: 1_000.0)

    async def take(self, language: Language, policy: Policy | None = None) -> SilentKernel:
        if self.full:
            raise Busy("full")
        return self._add(LaunchRequest(language, policy or Policy()))

    def discard(self, kernel: Kernel) -> None:
        self.discarded.append(kernel)

    def keep_counting(self, kernel: Kernel, gone: Callable[[], Awaitable[None]]) -> None:
        self.counted.append(gone)

    async def start(self, request: LaunchRequest) -> SilentKernel:
        if request.place not in self.places.held:
            raise Unavailable("there is no such place")
        return self._add(request)

    def _add(self, request: LaunchRequest) -> SilentKernel:
        self.kernels.append(SilentKernel(len(self.kernels), request))
        return self.kernels[-1]

    def session_started(self, language: str) -> None:
        """Not counted."""

    def session_ended(self, language: str, how: str) -> None:
        """Not counted."""

    async def create(self, **asked: Any) -> SandboxView:
        """A new sandbox of ONE."""
        return await self.sandboxes.create(NewSandbox(**asked), ONE)

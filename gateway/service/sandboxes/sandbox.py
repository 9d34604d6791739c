"""One sandbox: a place, its contexts' kernels, and its commands. Sandboxes handles ownership and times."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.core.request import Caller
from gateway.pool.kernel import Kernel
from gateway.service.drain import Drain
from gateway.service.sandboxes.commands import SandboxCommands
from gateway.service.sandboxes.contexts import SandboxContexts
from gateway.service.sandboxes.place_kernels import PlaceKernels
from gateway.service.sessions.table import Sessions
from kernels.contract import Language, Policy

ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class NewSandbox:
    """A sandbox as a caller asked for it. After *lifetime_s* it ends whatever is done in it; None: it has no such end.

    *idle_s* is how long it may be without activity; None is the gateway's own. *timeouts* are those of runs, by language.
    """

    name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    lifetime_s: float | None = None
    idle_s: float | None = None
    timeouts: Mapping[Language, float] = field(default_factory=lambda: {"python": 30.0, "javascript": 10.0})


class Sandbox:
    """One live sandbox. To the sessions that are its contexts it is their place; see sessions.kernel_slot.SharedPlace."""

    def __init__(
        self, asked: NewSandbox, caller: Caller, place: PlaceKernels, sessions: Sessions, drain: Drain, *, idle_s: float
    ) -> None:
        self.sandbox_id = secrets.token_hex(ID_BYTES)
        self.asked = asked
        self.caller = caller
        self.idle_s = idle_s
        self.place = place
        self.on_activity: Callable[[], None] = _nothing
        self.contexts = SandboxContexts(self, sessions, caller, drain, asked.env)
        self.commands = SandboxCommands(place.run_command, drain, asked.env, self.note_activity)

    @property
    def place_id(self) -> str:
        """The kernel by whose id its files are reached."""
        return self.place.place_id

    @property
    def is_busy(self) -> bool:
        """Whether callers wait for a run or a command in it."""
        return self.commands.is_busy or self.contexts.is_busy

    async def take(self, language: Language, policy: Policy | None = None) -> Kernel:
        """A kernel in its place, which has the limits of all that is in it."""
        return await self.place.take(language)

    def discard(self, kernel: Kernel) -> None:
        """End one kernel; all others and the files stay."""
        self.place.discard(kernel)

    def note_activity(self) -> None:
        """Something was done in it."""
        self.on_activity()

    async def clear(self) -> None:
        """End its place; answers once nothing of it is left."""
        await self.place.end()
        await self.commands.close()


def _nothing() -> None:
    """Until the table keeps it."""

"""What the pool needs: a kernel, a starter of kernels, and an observer that counts them."""

from __future__ import annotations

from typing import Protocol, TypeVar

from gateway.core.model import Death, OnEvent, Result, RunSpec
from gateway.kernel.launch.launcher import LaunchRequest


class Kernel(Protocol):
    """A started, warmed-up kernel."""

    @property
    def kernel_id(self) -> str:
        """Its name."""

    @property
    def is_alive(self) -> bool:
        """Whether a run may be tried."""

    async def run(self, spec: RunSpec, on_event: OnEvent | None = None) -> Result:
        """The result of one run."""

    async def interrupt(self) -> None:
        """Interrupt the run under way; without one nothing happens."""

    async def ended(self) -> Death:
        """How it died; waits until it has."""

    async def kill(self) -> Death:
        """End it; answers once it is gone. Safe to call again."""


K_co = TypeVar("K_co", bound=Kernel, covariant=True)


class Starter(Protocol[K_co]):
    """Starts kernels. Raises Unavailable if it can't, and then leaves nothing behind."""

    async def start(self, request: LaunchRequest) -> K_co:
        """A kernel that answers."""


class Observer(Protocol):
    """Counts what happens to kernels. Must not raise."""

    def kernel_started(self, language: str, took_s: float) -> None:
        """A kernel is ready."""

    def start_failed(self, language: str, reason: str) -> None:
        """A kernel did not start."""

    def kernel_ended(self, language: str, death: Death, *, was_idle: bool) -> None:
        """A kernel is gone; *was_idle*: it died by itself, unused."""


class Unobserved:
    """Counts nothing."""

    def kernel_started(self, language: str, took_s: float) -> None:
        """Not counted."""

    def start_failed(self, language: str, reason: str) -> None:
        """Not counted."""

    def kernel_ended(self, language: str, death: Death, *, was_idle: bool) -> None:
        """Not counted."""

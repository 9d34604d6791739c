"""What happens to kernels and to those who wait for one, counted and, where it is unusual, logged."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

import structlog

from gateway.core.errors import GatewayError
from gateway.core.fold import cause_of
from gateway.core.model import Death
from gateway.core.request import LentKernel
from kernels.contract import Language, Policy


class KernelMeter(Protocol):
    """Counts kernels and waits."""

    def kernel_started(self, language: str, took_s: float) -> None:
        """A kernel is ready."""

    def kernel_start_failed(self, language: str) -> None:
        """A kernel did not start."""

    def kernel_ended(self, language: str, cause: str) -> None:
        """A kernel is gone."""

    def lease_waited(self, language: str, wait_s: float, outcome: str) -> None:
        """A request got a kernel (outcome ok), or was turned away, after *wait_s*."""


class KernelWatch:
    """The pool's observer; see pool.kernel.Observer."""

    def __init__(self, meter: KernelMeter) -> None:
        self._meter = meter
        self._log = structlog.get_logger("omega.kernels")

    def kernel_started(self, language: str, took_s: float) -> None:
        """A kernel is ready."""
        self._meter.kernel_started(language, took_s)
        self._log.debug("kernel started", language=language, ms=round(took_s * 1000, 1))

    def start_failed(self, language: str, reason: str) -> None:
        """A kernel did not start."""
        self._meter.kernel_start_failed(language)
        self._log.warning("kernel did not start", language=language, reason=reason)

    def kernel_ended(self, language: str, death: Death, *, was_idle: bool) -> None:
        """A kernel is gone; that an unused one died is worth a line."""
        cause = cause_of(death)
        self._meter.kernel_ended(language, cause)
        if was_idle and not death.asked:
            self._log.warning("unused kernel died", language=language, cause=cause)


Lease = Callable[[Language, Policy | None], AbstractAsyncContextManager[LentKernel]]


class MeteredPool:
    """A pool whose waits are counted."""

    def __init__(self, lease: Lease, meter: KernelMeter) -> None:
        self._lease = lease
        self._meter = meter

    @asynccontextmanager
    async def lease(self, language: Language, policy: Policy | None = None) -> AsyncIterator[LentKernel]:
        """A kernel for one owner, with the limits *policy*. Raises Busy or Unavailable."""
        asked_at, outcome = time.monotonic(), "cancelled"
        async with AsyncExitStack() as stack:
            try:
                kernel = await stack.enter_async_context(self._lease(language, policy))
                outcome = "ok"
            except GatewayError as error:
                outcome = error.code
                raise
            finally:
                self._meter.lease_waited(language, time.monotonic() - asked_at, outcome)
            yield kernel

"""Metrics of kernels and of waits for them; unusual events are logged too."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import structlog

from gateway.core.errors import GatewayError
from gateway.core.fold import cause_of
from gateway.core.model import Death
from gateway.core.request import LentKernel
from gateway.metrics import Metrics
from kernels.contract import Language, Policy


class KernelWatch:
    """The pool's observer; see pool.kernel.Observer."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._log = structlog.get_logger("omega.kernels")

    def kernel_started(self, language: str, took_s: float) -> None:
        """A kernel is ready."""
        self._metrics.kernel_started(language, took_s)
        self._log.debug("kernel started", language=language, ms=round(took_s * 1000, 1))

    def start_failed(self, language: str, reason: str) -> None:
        """A kernel did not start."""
        self._metrics.kernel_start_failed(language)
        self._log.warning("kernel start failed", language=language, reason=reason)

    def kernel_ended(self, language: str, death: Death, *, was_idle: bool) -> None:
        """A kernel is gone; the death of an unused one is logged."""
        cause = cause_of(death)
        self._metrics.kernel_ended(language, cause)
        if was_idle and not death.asked:
            self._log.warning("unused kernel exited", language=language, cause=cause)


Lease = Callable[[Language, Policy | None], AbstractAsyncContextManager[LentKernel]]


class MeteredPool:
    """A pool whose waits are counted."""

    def __init__(self, lease: Lease, metrics: Metrics) -> None:
        self._lease = lease
        self._metrics = metrics

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
                self._metrics.lease_waited(language, time.monotonic() - asked_at, outcome)
            yield kernel

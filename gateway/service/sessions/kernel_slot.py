"""The kernel of one session: taken from the pool, set up, and replaced if it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.core.errors import BadRequest, GatewayError, Unavailable
from gateway.core.model import Json, RunSpec
from gateway.pool.kernel import Kernel
from kernels.contract import Language, Policy

SETUP_S = 10.0
SETUP_BYTES = 4096


class SessionPool(Protocol):
    """The pool: pool.KernelPool."""

    async def take(self, language: Language, policy: Policy | None = None) -> Kernel:
        """A kernel to keep. Raises Busy or Unavailable."""

    def discard(self, kernel: Kernel) -> None:
        """End a kernel that was taken."""


class SharedPlace(SessionPool, Protocol):
    """The place of a sandbox, which several sessions share: their kernels come from it and end with it."""

    @property
    def sandbox_id(self) -> str:
        """The sandbox whose contexts these sessions are."""

    @property
    def place_id(self) -> str:
        """The kernel by whose id its files are reached, whichever kernels it has now."""

    @property
    def idle_s(self) -> float:
        """How long it may be without activity."""

    def note_activity(self) -> None:
        """Something was done in one of its sessions. Their own times do not end them."""


@dataclass(frozen=True, slots=True)
class SessionRecipe:
    """How each kernel of a session is set up. *cwd* is a directory below the work directory, made if it is missing."""

    language: Language = "python"
    policy: Policy | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""

    @property
    def needs_setup(self) -> bool:
        """Whether a kernel of the pool needs set-up."""
        return bool(self.env or self.cwd)


class KernelSlot:
    """Holds one kernel at a time; the next one is taken in the background."""

    def __init__(self, source: SessionPool, recipe: SessionRecipe) -> None:
        self._pool = source
        self._recipe = recipe
        self._taking: asyncio.Task[Kernel] | None = None
        self._closed: GatewayError | None = None

    @property
    def present(self) -> Kernel | None:
        """The present kernel; None while one is being taken, or after that failed."""
        task = self._taking
        return task.result() if task is not None and _has_kernel(task) else None

    @property
    def has_begun(self) -> bool:
        """Whether a kernel was ever asked for."""
        return self._taking is not None

    def renew(self) -> None:
        """Discard the kernel, and begin to take another."""
        self._let_go()
        if self._closed is None:
            self._taking = asyncio.create_task(self._take())
            self._taking.add_done_callback(_note_failure)

    async def ready(self) -> Kernel:
        """The kernel, once it is there. Raises Busy or Unavailable if there is none; the next call tries again."""
        while self._closed is None:
            if self._taking is None or (self._taking.done() and not _has_kernel(self._taking)):
                self.renew()
            task = self._taking
            assert task is not None, "renew() has begun to take one"
            try:
                kernel = await asyncio.shield(task)
            except GatewayError:
                if task is self._taking:
                    raise
                continue
            if task is self._taking:
                return kernel
        raise self._closed

    def close(self, reason: GatewayError) -> None:
        """Discard the kernel for good; callers get *reason* from now on."""
        self._closed = reason
        self._let_go()

    def _let_go(self) -> None:
        """Discard the kernel, also one that is still being taken."""
        task, self._taking = self._taking, None
        if task is not None:
            task.add_done_callback(self._discard)

    def _discard(self, task: asyncio.Task[Kernel]) -> None:
        if _has_kernel(task):
            self._pool.discard(task.result())

    async def _take(self) -> Kernel:
        kernel = await self._pool.take(self._recipe.language, self._recipe.policy)
        try:
            if self._recipe.needs_setup:
                await self._set_up(kernel)
        except BaseException:
            self._pool.discard(kernel)
            raise
        return kernel

    async def _set_up(self, kernel: Kernel) -> None:
        """Set environment and directory before any code of the caller runs; they travel as data, not as code."""
        inputs: dict[str, Json] = {"env": dict(self._recipe.env), "cwd": self._recipe.cwd}
        spec = RunSpec("setup", "", SETUP_S, SETUP_BYTES, SETUP_BYTES, inputs, wants_variables=False)
        result = await kernel.run(spec)
        if result.success:
            return
        if result.error is not None and result.error.type == "SetupError":
            raise BadRequest(f"{result.error.message}.")
        raise Unavailable("the kernel could not be set up")


def _has_kernel(task: asyncio.Task[Kernel]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _note_failure(task: asyncio.Task[Kernel]) -> None:
    """Read the error, so that asyncio does not complain if no caller waits for it."""
    if not task.cancelled():
        task.exception()

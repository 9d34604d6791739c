"""The kernels of the Jupyter API: which key each belongs to, its source, and when it ends."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from gateway.core.errors import BadRequest, Conflict, NotFound
from gateway.core.request import Caller
from gateway.kernel.client import KernelClient
from gateway.service.drain import Drain
from gateway.service.jupyter.kernel import JupyterKernel, KernelRecipe
from gateway.service.kept_kernels import Quota

MAX_ENV_NAMES, MAX_ENV_CHARS = 64, 16_384
FIRST_CHECK_S = 1.0
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_log = structlog.get_logger("omega.jupyter")


@dataclass(frozen=True, slots=True)
class Spec:
    """A kind of kernel as Jupyter clients see it. *aliases* are further names that clients use for it."""

    name: str
    display_name: str
    language: str
    aliases: Sequence[str] = ()


class KernelSource(Protocol):
    """A source of kernels: the pool, or launchers of kernelspecs that the operator allows."""

    def specs(self) -> Sequence[Spec]:
        """The specs of this source."""

    async def start(self, name: str, caller: Caller, env: Mapping[str, str]) -> KernelClient:
        """A kernel of the spec *name* that answers. Raises Busy or Unavailable."""

    def discard(self, kernel: KernelClient) -> None:
        """End a kernel that start() gave, without waiting."""


@dataclass(frozen=True, slots=True)
class JupyterSettings:
    """How kernels of the Jupyter API are kept. *env_names* may be set by clients beside ``KERNEL_...``."""

    idle_s: float = 1800.0
    backlog_bytes: int = 8 * 1024 * 1024
    env_names: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class NewKernel:
    """What a client asks for. An empty *name* is the first spec, an empty *kernel_id* any."""

    name: str = ""
    kernel_id: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


_Name = tuple[str, str]
"""A key and an id. Each key has ids of its own: the one a client chooses must not tell that another key uses it."""


@dataclass(slots=True)
class _Place:
    """A kernel's place in the table. It is taken before the kernel starts, so that two requests can't get the last one."""

    caller: Caller
    kernel: JupyterKernel | None = None
    ending: asyncio.Task[None] | None = None


class JupyterKernels:
    """The table of kernels. Callers get NotFound for kernels of other keys."""

    def __init__(self, sources: Sequence[KernelSource], quota: Quota, drain: Drain, settings: JupyterSettings) -> None:
        self._sources = sources
        self._quota = quota
        self._drain = drain
        self._settings = settings
        self._table: dict[_Name, _Place] = {}
        self._culler: asyncio.Task[None] | None = None
        self.started_utc = time.time()

    def specs(self) -> list[Spec]:
        """What can be started; the first is the default."""
        return [spec for source in self._sources for spec in source.specs()]

    def spec(self, name: str) -> Spec | None:
        """The spec called *name*, or by one of its other names."""
        specs = self.specs()
        if not name:
            return specs[0] if specs else None
        exact = [spec for spec in specs if spec.name == name]
        return next(iter(exact or [spec for spec in specs if name in spec.aliases]), None)

    async def start(self, asked: NewKernel, caller: Caller) -> JupyterKernel:
        """A new kernel of *caller*. Raises BadRequest, Conflict, TooManyRequests, Busy or Unavailable."""
        spec = self.spec(asked.name)
        if spec is None:
            known = ", ".join(spec.name for spec in self.specs())
            raise BadRequest(f"There is no kernel of this name; available: {known}.")
        kernel_id, env = self._free_id(asked.kernel_id, caller), self._filter(asked.env)
        name = caller.key_id, kernel_id
        with self._drain.enter():
            self._quota.take(caller)
            place = self._table[name] = _Place(caller)
            try:
                place.kernel = await self._make(name, spec, caller, env)
            except BaseException:
                self._free(name)
                raise
        if self._culler is None:
            self._culler = asyncio.create_task(self._cull())
        _log.info("jupyter kernel started", kernel_id=kernel_id, spec=spec.name, key_id=caller.key_id)
        return place.kernel

    def list(self, caller: Caller) -> list[JupyterKernel]:
        """The kernels of *caller*, the oldest first."""
        mine = (place.kernel for (key_id, _), place in self._table.items() if key_id == caller.key_id)
        return [kernel for kernel in mine if kernel is not None]

    def find(self, kernel_id: str, caller: Caller) -> JupyterKernel:
        """The kernel; raises NotFound if there is none or it is another key's."""
        place = self._table.get((caller.key_id, kernel_id))
        if place is None or place.kernel is None or place.ending is not None:
            raise NotFound("Kernel does not exist: it never existed, belongs to another key, or has exited.")
        return place.kernel

    async def delete(self, kernel_id: str, caller: Caller) -> None:
        """End the kernel; answers once its processes are gone. Raises NotFound."""
        self.find(kernel_id, caller)
        await asyncio.shield(self._end((caller.key_id, kernel_id), "the kernel was shut down"))

    async def restart(self, kernel_id: str, caller: Caller) -> JupyterKernel:
        """The kernel, with a new process behind it. Raises NotFound, Busy or Unavailable."""
        kernel = self.find(kernel_id, caller)
        with self._drain.enter():
            await asyncio.shield(asyncio.ensure_future(kernel.restart()))
        return kernel

    async def interrupt(self, kernel_id: str, caller: Caller) -> None:
        """Interrupt the running code. Raises NotFound."""
        await self.find(kernel_id, caller).interrupt()

    def keep_only(self, key_ids: frozenset[str]) -> None:
        """End the kernels of all other keys."""
        for name, place in self._table.items():
            if place.kernel is not None and name[0] not in key_ids:
                self._end(name, "the key is no longer valid")

    async def close(self) -> None:
        """End all of them."""
        if self._culler is not None:
            self._culler.cancel()
        ending = [self._end(name, "the gateway is shutting down") for name in list(self._table)]
        if ending:
            await asyncio.wait(ending)

    # ---- making one -------------------------------------------------------------------------------------------------

    async def _make(self, name: _Name, spec: Spec, caller: Caller, env: Mapping[str, str]) -> JupyterKernel:
        source = next(source for source in self._sources if spec in source.specs())

        async def start() -> KernelClient:
            return await source.start(spec.name, caller, env)

        recipe = KernelRecipe(spec.name, start, source.discard, self._settings.backlog_bytes)
        kernel = JupyterKernel(name[1], recipe, lambda: self._end_soon(name))
        await kernel.start()
        return kernel

    def _free_id(self, wanted: str, caller: Caller) -> str:
        """The id that the client chose, or a new one. Raises BadRequest, or Conflict if a kernel of *caller* has it."""
        if not wanted:
            return str(uuid.uuid4())
        try:
            kernel_id = str(uuid.UUID(wanted))
        except ValueError:
            raise BadRequest("kernel_id must be a UUID.") from None
        if (caller.key_id, kernel_id) in self._table:
            raise Conflict("A kernel with this kernel_id exists already.")
        return kernel_id

    def _filter(self, env: Mapping[str, str]) -> dict[str, str]:
        """The variables that clients may set; others are left out, as Jupyter does."""
        kept = {
            name: value
            for name, value in env.items()
            if _ENV_NAME.fullmatch(name) and (name.startswith("KERNEL_") or name in self._settings.env_names)
        }
        kept.pop("KERNEL_GATEWAY", None)  # set by Jupyter's gateways; a client that runs in one passes it on
        if len(kept) > MAX_ENV_NAMES or sum(len(name) + len(value) for name, value in kept.items()) > MAX_ENV_CHARS:
            raise BadRequest(f"env may have at most {MAX_ENV_NAMES} variables and {MAX_ENV_CHARS} characters in total.")
        if any("\0" in value for value in kept.values()):
            raise BadRequest("Values in env can't contain NUL.")
        return kept

    # ---- ending one -------------------------------------------------------------------------------------------------

    def _end_soon(self, name: _Name) -> None:
        self._end(name, "the kernel was shut down")

    def _end(self, name: _Name, reason: str) -> asyncio.Task[None]:
        place = self._table[name]
        if place.ending is None:
            place.ending = asyncio.create_task(self._end_now(name, place, reason))
        return place.ending

    async def _end_now(self, name: _Name, place: _Place, reason: str) -> None:
        if place.kernel is None:
            return  # start() takes it out of the table
        try:
            await place.kernel.shut_down(reason)
        finally:
            self._free(name)
        _log.info("jupyter kernel ended", kernel_id=name[1], reason=reason)

    def _free(self, name: _Name) -> None:
        place = self._table.pop(name, None)
        if place is not None:
            self._quota.give_back(place.caller)

    async def _cull(self) -> None:
        """End kernels that were idle for too long, also with clients connected. Busy ones go on."""
        loop, idle_s = asyncio.get_running_loop(), self._settings.idle_s
        while True:
            now, next_at = loop.time(), loop.time() + idle_s
            for name, place in list(self._table.items()):
                if place.kernel is None or place.kernel.is_busy:
                    continue
                due_at = place.kernel.idle_since + idle_s
                if due_at <= now:
                    self._end(name, f"the kernel was idle for {idle_s:.0f} s")
                else:
                    next_at = min(next_at, due_at)
            # A kernel that becomes idle or is started later is not due before idle_s from then.
            await asyncio.sleep(max(FIRST_CHECK_S, next_at - now))

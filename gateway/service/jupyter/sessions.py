"""What Jupyter calls sessions: a notebook's path and the kernel it uses, remembered for clients that list them."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from gateway.core.errors import NotFound
from gateway.core.request import Caller
from gateway.service.jupyter.kernel import JupyterKernel
from gateway.service.jupyter.table import JupyterKernels, NewKernel


@dataclass(frozen=True, slots=True)
class JupyterSession:
    """A session: the names a client gave it, and its kernel."""

    id: str
    path: str
    name: str
    type: str
    kernel_id: str


@dataclass(frozen=True, slots=True)
class SessionChange:
    """What a client asks for; None leaves things as they are."""

    path: str | None = None
    name: str | None = None
    type: str | None = None
    kernel_id: str | None = None
    kernel: NewKernel | None = None


class JupyterSessions:
    """The sessions of all keys. One whose kernel has ended is gone with it, so there are never more than kernels."""

    def __init__(self, kernels: JupyterKernels) -> None:
        self._kernels = kernels
        self._table: dict[str, dict[str, JupyterSession]] = {}
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        """For each key and path for which a session is being made; requests for the same one wait and find it."""

    def list(self, caller: Caller) -> list[tuple[JupyterSession, JupyterKernel]]:
        """The sessions of *caller*."""
        alive = {kernel.kernel_id: kernel for kernel in self._kernels.list(caller)}
        mine = {key: item for key, item in self._table.get(caller.key_id, {}).items() if item.kernel_id in alive}
        self._table[caller.key_id] = mine
        if not mine:
            del self._table[caller.key_id]
        return [(item, alive[item.kernel_id]) for item in mine.values()]

    def find(self, session_id: str, caller: Caller) -> tuple[JupyterSession, JupyterKernel]:
        """One of them; raises NotFound."""
        for item, kernel in self.list(caller):
            if item.id == session_id:
                return item, kernel
        raise NotFound("Session not found: it never existed, belongs to another key, or its kernel has exited.")

    async def create(self, wanted: SessionChange, caller: Caller) -> tuple[JupyterSession, JupyterKernel]:
        """A new session, or the one that has this path. Raises what JupyterKernels.start does, or NotFound for a kernel."""
        if wanted.path is None:
            return await self._make(wanted, caller)
        async with self._turns.setdefault((caller.key_id, wanted.path), asyncio.Lock()):
            found = [(item, kernel) for item, kernel in self.list(caller) if item.path == wanted.path]
            return found[0] if found else await self._make(wanted, caller)

    async def _make(self, wanted: SessionChange, caller: Caller) -> tuple[JupyterSession, JupyterKernel]:
        if wanted.kernel_id is not None:
            kernel = self._kernels.find(wanted.kernel_id, caller)
        else:
            kernel = await self._kernels.start(wanted.kernel or NewKernel(), caller)
        item = JupyterSession(
            str(uuid.uuid4()), wanted.path or "", wanted.name or "", wanted.type or "notebook", kernel.kernel_id
        )
        self._table.setdefault(caller.key_id, {})[item.id] = item
        return item, kernel

    async def change(self, session_id: str, wanted: SessionChange, caller: Caller) -> tuple[JupyterSession, JupyterKernel]:
        """The session, renamed or with another kernel; the kernel it had is then shut down."""
        before, kernel = self.find(session_id, caller)
        if wanted.kernel_id is not None:
            kernel = self._kernels.find(wanted.kernel_id, caller)
        elif wanted.kernel is not None:
            kernel = await self._kernels.start(wanted.kernel, caller)
        after = replace(
            before,
            path=before.path if wanted.path is None else wanted.path,
            name=before.name if wanted.name is None else wanted.name,
            type=before.type if wanted.type is None else wanted.type,
            kernel_id=kernel.kernel_id,
        )
        self._table.setdefault(caller.key_id, {})[after.id] = after
        if before.kernel_id != after.kernel_id:
            await self._kernels.delete(before.kernel_id, caller)
        return after, kernel

    async def delete(self, session_id: str, caller: Caller) -> None:
        """End the session and its kernel. Raises NotFound."""
        item, _kernel = self.find(session_id, caller)
        del self._table[caller.key_id][item.id]
        await self._kernels.delete(item.kernel_id, caller)

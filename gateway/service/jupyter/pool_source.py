"""The gateway's sandboxed kernels, under the names that Jupyter clients use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from gateway.core.request import Caller
from gateway.kernel.client import KernelClient
from gateway.pool.pool import KernelPool
from gateway.service.jupyter.table import Spec
from kernels.contract import Language

PYTHON: Final = Spec("python3", "Python (sandboxed)", "python", ("python", "ipython", "python2"))
JAVASCRIPT: Final = Spec("javascript", "JavaScript (sandboxed)", "javascript", ("node", "nodejs", "js"))
LANGUAGES: Final[dict[str, Language]] = {PYTHON.name: "python", JAVASCRIPT.name: "javascript"}


class PoolSource:
    """Kernels of the pool, with the limits of the caller's key; see table.KernelSource."""

    def __init__(self, pool: KernelPool[KernelClient], languages: Collection[Language]) -> None:
        self._pool = pool
        self._specs = [spec for spec in (PYTHON, JAVASCRIPT) if LANGUAGES[spec.name] in languages]

    def specs(self) -> Sequence[Spec]:
        """One for each language."""
        return self._specs

    async def start(self, name: str, caller: Caller, env: Mapping[str, str]) -> KernelClient:
        """A kernel of the pool; one with an *env* is started for it, so that no caller sees another's variables."""
        return await self._pool.take(LANGUAGES[name], caller.policy, env)

    def discard(self, kernel: KernelClient) -> None:
        """End it."""
        self._pool.discard(kernel)

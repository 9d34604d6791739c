"""The gateway's own sandboxed kernels under the names Jupyter clients know them by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from gateway.core.request import Caller
from gateway.kernel.client import KernelClient
from gateway.service.jupyter.table import Spec
from kernels.contract import Language, Policy

PYTHON: Final = Spec("python3", "Python (sandboxed)", "python", ("python", "ipython", "python2"))
JAVASCRIPT: Final = Spec("javascript", "JavaScript (sandboxed)", "javascript", ("node", "nodejs", "js"))
LANGUAGES: Final[dict[str, Language]] = {PYTHON.name: "python", JAVASCRIPT.name: "javascript"}


class JupyterPool(Protocol):
    """Where kernels come from; see pool.pool.KernelPool."""

    async def take(
        self, language: Language, policy: Policy | None = None, env: Mapping[str, str] | None = None
    ) -> KernelClient:
        """A kernel of one's own. Raises Busy or Unavailable."""

    def discard(self, kernel: KernelClient) -> None:
        """End it."""


class PoolSource:
    """Kernels of the pool, each with the limits of its caller's key; see jupyter_kernels.KernelSource."""

    def __init__(self, pool: JupyterPool, languages: Collection[Language]) -> None:
        self._pool = pool
        self._specs = [spec for spec in (PYTHON, JAVASCRIPT) if LANGUAGES[spec.name] in languages]

    def specs(self) -> Sequence[Spec]:
        """One for each language."""
        return self._specs

    async def start(self, name: str, caller: Caller, env: Mapping[str, str]) -> KernelClient:
        """A kernel from the pool; with *env*, one made for it: no variable can be another caller's."""
        return await self._pool.take(LANGUAGES[name], caller.policy, env)

    def discard(self, kernel: KernelClient) -> None:
        """End it."""
        self._pool.discard(kernel)

"""Kernelspecs of this machine that the operator allows in the Jupyter API. The gateway does not confine their kernels."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from gateway.core.request import Caller
from gateway.kernel.client import ClientSettings, KernelClient
from gateway.kernel.launch.kernelspec_launcher import NoSpec, ProvisionerLauncher, SpecInfo, describe_spec
from gateway.kernel.launch.launcher import LaunchRequest
from gateway.kernel.launch.runtime import make_private, runtime_dir
from gateway.kernel.wire.share import Share
from gateway.service.jupyter.pool_source import JAVASCRIPT, PYTHON
from gateway.service.jupyter.table import Spec
from kernels.contract import Policy

WARNING: Final = "not sandboxed"
CONNECT_S: Final = 30.0
"""How long such a kernel may take to answer after its start: it imports everything anew."""
_log = structlog.get_logger("omega.jupyter")


class AllowedSpecs:
    """Kernels of launchers, one for each kernelspec; see table.KernelSource."""

    def __init__(self, specs: Sequence[SpecInfo], runtime: Path) -> None:
        self._runtime = runtime
        self._launchers = {spec.name: ProvisionerLauncher(spec.name, runtime) for spec in specs}
        self._specs = [Spec(spec.name, f"{spec.display_name} ({WARNING})", spec.language) for spec in specs]
        self._ending: set[asyncio.Task[object]] = set()
        self._share = Share()

    @classmethod
    def find(cls, names: Sequence[str], instance: str) -> AllowedSpecs:
        """Those kernelspecs, for the gateway *instance*. Raises NoSpec, and Unavailable when its directory is in the way."""
        runtime = runtime_dir(f"{instance}-specs")
        specs = [describe_spec(name) for name in dict.fromkeys(names)]
        for spec in specs:
            if any(spec.name in (own.name, *own.aliases) for own in (PYTHON, JAVASCRIPT)):
                raise NoSpec(f"{spec.name} is the name of a sandboxed kernel: rename the kernelspec")
        if specs:
            make_private(runtime)
            _log.warning("kernels that are not sandboxed are allowed", kernelspecs=[spec.name for spec in specs])
        return cls(specs, runtime)

    def specs(self) -> Sequence[Spec]:
        """One for each kernelspec; its display name says that it is not sandboxed."""
        return self._specs

    async def start(self, name: str, caller: Caller, env: Mapping[str, str]) -> KernelClient:
        """A kernel that answers. The limits of the caller's key do not apply. Raises Unavailable."""
        request = LaunchRequest("python", Policy(), env)  # a kernelspec has its own language and no limits
        process = await self._launchers[name].launch(request)
        settings = ClientSettings(connect_timeout_s=CONNECT_S)
        client = KernelClient(process, memory_bytes=0, settings=settings, share=self._share)
        try:
            await client.connect()
        except BaseException:
            await asyncio.shield(client.kill())
            raise
        return client

    def discard(self, kernel: KernelClient) -> None:
        """End it."""
        ending: asyncio.Task[object] = asyncio.create_task(kernel.kill())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End every kernel."""
        await asyncio.gather(*(launcher.close() for launcher in self._launchers.values()))
        if self._ending:
            await asyncio.wait(self._ending)
        shutil.rmtree(self._runtime, ignore_errors=True)

"""From a launch request to a kernel that answers."""

from __future__ import annotations

import asyncio

from gateway.kernel.client import ClientSettings, KernelClient
from gateway.kernel.launcher import Launcher, LaunchRequest
from gateway.kernel.sockets import Address, ipc_address, new_context


class KernelStarter:
    """Starts kernels through a launcher and brings them to where a run costs nothing extra."""

    def __init__(
        self,
        launcher: Launcher,
        *,
        settings: ClientSettings | None = None,
        address: Address = ipc_address,
    ) -> None:
        self._launcher = launcher
        self._settings = settings or ClientSettings()
        self._address = address
        self._context = new_context()

    async def start(self, request: LaunchRequest) -> KernelClient:
        """A connected, warmed-up kernel; raises Unavailable, and leaves nothing behind, when there is none."""
        process = await self._launcher.launch(request)
        client: KernelClient | None = None
        try:
            client = KernelClient(
                process,
                self._context,
                memory_bytes=request.policy.memory_bytes,
                settings=self._settings,
                address=self._address,
            )
            await client.connect()
            await client.warm_up()
        except BaseException:
            await asyncio.shield(client.kill() if client else process.kill())
            raise
        return client

    def close(self) -> None:
        """Let go of the messaging context; the kernels are ended already."""
        self._context.destroy(linger=0)

"""From a launch request to a kernel that answers."""

from __future__ import annotations

import asyncio

from gateway.core.errors import Unavailable
from gateway.kernel.client import ClientSettings, KernelClient
from gateway.kernel.launch.launcher import Launcher, LaunchRequest
from gateway.kernel.wire.share import Share
from gateway.kernel.wire.sockets import Address, socket_path


class KernelStarter:
    """Starts kernels through a launcher, connects to them and warms them up."""

    def __init__(
        self,
        launcher: Launcher,
        *,
        settings: ClientSettings | None = None,
        address: Address = socket_path,
        share: Share | None = None,
    ) -> None:
        self._launcher = launcher
        self._settings = settings or ClientSettings()
        self._address = address
        self._share = share or Share()
        self._is_closed = False

    async def start(self, request: LaunchRequest) -> KernelClient:
        """A connected, warmed-up kernel; raises Unavailable and leaves nothing behind if that fails."""
        if self._is_closed:
            raise Unavailable("the gateway is shutting down")
        process = await self._launcher.launch(request)
        client: KernelClient | None = None
        try:
            client = KernelClient(
                process,
                memory_bytes=request.policy.memory_bytes,
                settings=self._settings,
                address=self._address,
                share=self._share,
            )
            await client.connect()
            await client.warm_up(request.language)
        except BaseException:
            await asyncio.shield(client.kill() if client else process.kill())
            raise
        return client

    def close(self) -> None:
        """Start no more kernels; those that were started belong to their owners."""
        self._is_closed = True

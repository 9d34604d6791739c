"""The isolation level below which no kernel is handed out, however the spawner came to start."""

from __future__ import annotations

from gateway.core.errors import Unavailable
from gateway.kernel.launch.launcher import KernelProcess, LaunchRequest
from gateway.kernel.launch.zygote_launcher import ZygoteLauncher
from kernels.contract import Level


class LevelFloor:
    """A launcher that refuses kernels of a spawner which reached less than *required*.

    The first spawner is checked at the start; this is for those started later in its place, so that a level can't drop
    without anybody noticing.
    """

    def __init__(self, launcher: ZygoteLauncher, required: Level) -> None:
        self._launcher = launcher
        self._required = required

    async def launch(self, request: LaunchRequest) -> KernelProcess:
        """A kernel of the required level at least; no user code has run in it when it is refused."""
        process = await self._launcher.launch(request)
        try:
            level = Level.parse(self._launcher.ready.level)
        except Unavailable:
            await process.kill()
            raise
        if level < self._required:
            await process.kill()
            raise Unavailable(f"the isolation level fell to {level.label}, below {self._required.label}")
        return process

    async def close(self) -> None:
        """End every kernel and every helper process."""
        await self._launcher.close()

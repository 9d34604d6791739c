"""The required isolation level: no kernel below it is handed out, whichever spawner started it."""

from __future__ import annotations

from gateway.core.errors import Unavailable
from gateway.kernel.launch.launcher import KernelProcess, LaunchRequest
from gateway.kernel.launch.zygote_launcher import ZygoteLauncher
from kernels.contract import Level


class LevelFloor:
    """A launcher that refuses kernels of a spawner which reached less than *required*.

    The start of the gateway checks the first spawner. This checks the spawners that replace it, whose level may be lower.
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

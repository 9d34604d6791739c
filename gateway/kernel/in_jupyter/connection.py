"""A sandboxed kernel as Jupyter's clients expect one: five ipc sockets under one prefix, the same after every restart."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any, Final

import zmq
import zmq.asyncio

from gateway.core.model import Death
from gateway.kernel.launch.ipc import PORTS, prefix
from gateway.kernel.launch.launcher import KernelProcess
from kernels.contract import CHANNELS

BEAT_BYTES: Final = 1024


class Seat:
    """One kernel at *directory*/s-1 to s-5. All of it lives in one event loop; `death` may be read from anywhere.

    Kernels have no heartbeat of their own (the end of their process tells more): it is answered here while they live.
    """

    def __init__(self, directory: Path, process: KernelProcess, context: zmq.asyncio.Context) -> None:
        self.death: Death | None = None
        self._directory = directory
        self._process = process
        self._link()
        self._heart: Any = context.socket(zmq.REP)
        self._heart.setsockopt(zmq.LINGER, 0)
        self._heart.setsockopt(zmq.MAXMSGSIZE, BEAT_BYTES)
        self._heart.bind(f"ipc://{prefix(directory)}-{PORTS['hb']}")
        self._beating = asyncio.create_task(self._beat())
        self._ended = asyncio.create_task(self._await_death())

    def _link(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir(mode=0o700)
        for channel in CHANNELS:
            os.symlink(f"{self._process.endpoint.directory}/{channel}", f"{prefix(self._directory)}-{PORTS[channel]}")

    async def _beat(self) -> None:
        while True:
            await self._heart.send_multipart(await self._heart.recv_multipart())

    async def _await_death(self) -> Death:
        death = self.death = await self._process.wait()
        self._beating.cancel()
        await asyncio.wait([self._beating])
        self._heart.close()
        shutil.rmtree(self._directory, ignore_errors=True)
        return death

    async def interrupt(self) -> None:
        """Interrupt the running code."""
        await self._process.interrupt()

    async def kill(self) -> None:
        """End the kernel and everything it started; answers once all is gone."""
        await self._process.kill()
        await self.wait()

    async def wait(self) -> Death:
        """How the kernel died, once it has and its sockets are gone."""
        return await asyncio.shield(self._ended)

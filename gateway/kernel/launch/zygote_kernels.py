"""The kernels of one spawner: those that are starting and those that run, as its packets tell."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.core.errors import Unavailable
from gateway.core.model import Death
from gateway.kernel.launch.launcher import ConnectionInfo
from kernels.contract import Exited, Interrupt, Kill, Packet, Refused, Started


@dataclass(eq=False, slots=True)
class ZygoteKernel:
    """A kernel forked from the zygote; see launcher.KernelProcess."""

    kernel_id: str
    endpoint: ConnectionInfo
    send: Callable[[Packet], None]
    death: asyncio.Future[Death]
    pid: int = 0
    steps_ms: dict[str, float] = field(default_factory=dict)

    async def interrupt(self) -> None:
        """Send SIGINT to the kernel and what it started in its process group."""
        if not self.death.done():
            with suppress(Unavailable):  # the spawner has ended: the kernel's death follows
                self.send(Interrupt(self.kernel_id))

    async def kill(self) -> Death:
        """End the kernel and everything it started; answers once all is gone."""
        if not self.death.done():
            with suppress(Unavailable):  # the spawner has ended, and the kernel with it: that is told in a moment
                self.send(Kill(self.kernel_id))
        return await asyncio.shield(self.death)

    async def wait(self) -> Death:
        """How the kernel died; waits until it has."""
        return await asyncio.shield(self.death)


class ZygoteKernels:
    """The table of kernels. A kernel is in it from its request until the spawner has told its end."""

    def __init__(self) -> None:
        self._kernels: dict[str, ZygoteKernel] = {}
        self._starting: dict[str, asyncio.Future[Started]] = {}

    def __contains__(self, kernel: ZygoteKernel) -> bool:
        """Whether the spawner has not told the end of *kernel* yet."""
        return kernel.kernel_id in self._kernels

    def begin(self, kernel: ZygoteKernel) -> asyncio.Future[Started]:
        """The spawner's answer to the request for *kernel*, once it comes; fails with Unavailable."""
        self._kernels[kernel.kernel_id] = kernel
        started = self._starting[kernel.kernel_id] = asyncio.get_running_loop().create_future()
        return started

    def started(self, packet: Started) -> None:
        """The kernel is confined and runs."""
        future = self._starting.pop(packet.kernel_id, None)
        if future is not None and not future.done():
            future.set_result(packet)

    def refused(self, packet: Refused) -> None:
        """The kernel was never started."""
        self.forget(packet.kernel_id, f"a kernel was refused at {packet.step}: {packet.reason}")

    def exited(self, packet: Exited) -> None:
        """The kernel has ended, and nothing of it is left."""
        kernel = self._kernels.get(packet.kernel_id)
        if kernel is not None and not kernel.death.done():
            kernel.death.set_result(
                Death(packet.code, packet.signal, packet.out_of_memory, packet.asked, packet.peak_bytes, packet.cpu_s)
            )
        self.forget(packet.kernel_id, "a kernel died while it was started")

    def lose_all(self) -> None:
        """The spawner has ended: each kernel was killed with it."""
        for kernel_id in list(self._kernels):
            self.exited(Exited(kernel_id, 0, 9, out_of_memory=False, asked=False))

    def stop_waiting(self, kernel: ZygoteKernel) -> None:
        """Nobody waits for the start of *kernel* any more."""
        self._starting.pop(kernel.kernel_id, None)

    def forget(self, kernel_id: str, reason: str) -> None:
        """Remove the kernel and its sockets; a launch that still waits for it fails with *reason*."""
        kernel = self._kernels.pop(kernel_id, None)
        if kernel is not None:
            if not kernel.death.done():
                kernel.death.set_result(Death(0, 0, out_of_memory=False, asked=True))
            shutil.rmtree(kernel.endpoint.directory, ignore_errors=True)
        future = self._starting.pop(kernel_id, None)
        if future is not None and not future.done():
            future.set_exception(Unavailable(reason))

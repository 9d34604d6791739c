"""Warm runs with and without the isolation steps, in turns: what a kernel's walls cost while it works.

The kernel without them exists only here: forked by the tests' fork server, which imports what the zygote does and takes no
step of kernels/sandbox. Both are asked by the gateway's own client, over the same kind of sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.core.model import Death, RunSpec
from gateway.kernel.client import KernelClient
from gateway.kernel.launch.launcher import ConnectionInfo, LaunchRequest
from gateway.kernel.launch.runtime import bind_channels
from gateway.kernel.launch.zygote_launcher import ZygoteLauncher, ZygoteOptions
from gateway.kernel.start import KernelStarter
from kernels.contract import Policy
from tests.bench import plain
from tests.bench.numbers import Samples
from tests.kernels.python.harness import ForkServer

WORK = {
    "print(1)": ("print(1)", 300),
    "pandas, files in `/work`": (
        "import pandas as pd\n"
        "frame = pd.DataFrame({'a': range(2000), 'b': [at % 7 for at in range(2000)]})\n"
        "for at in range(20): frame.to_csv(f'{at}.csv')\n"
        "print(sum(len(pd.read_csv(f'{at}.csv').groupby('b').sum()) for at in range(20)))",
        40,
    ),
}
"""Code and how often it is run in each kernel: the smallest run there is, and one that makes thousands of system calls."""
SAME_KIND = "/dev/shm"
"""A kernel behind its walls works in a tmpfs; so does the other."""
REQUEST = LaunchRequest("python", Policy())


@dataclass(slots=True)
class OpenKernel:
    """A kernel that took no isolation step; see launcher.KernelProcess."""

    kernel_id: str
    endpoint: ConnectionInfo
    pid: int
    server: ForkServer
    death: asyncio.Future[Death] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def interrupt(self) -> None:
        """SIGINT."""
        os.kill(self.pid, signal.SIGINT)

    async def kill(self) -> Death:
        """End it."""
        if not self.death.done():
            os.kill(self.pid, signal.SIGKILL)
            self.server.wait(self.pid)
            self.death.set_result(Death(0, int(signal.SIGKILL), out_of_memory=False, asked=True))
        return await self.death

    async def wait(self) -> Death:
        """Once it was killed."""
        return await asyncio.shield(self.death)


@dataclass(frozen=True, slots=True)
class OpenLauncher:
    """Forks kernels from *server*, with their sockets and files in *folder*."""

    server: ForkServer
    folder: Path

    async def launch(self, _request: LaunchRequest) -> OpenKernel:
        """A running kernel."""
        kernel_id, key = secrets.token_hex(8), secrets.token_hex(32)
        directory = self.folder / kernel_id
        listeners = bind_channels(directory)
        (work := directory / "work").mkdir()
        request = {"kernel_id": kernel_id, "key": key, "env": {}, "work_dir": str(work)}
        pid = self.server.start(request, [listener.fileno() for listener in listeners])
        for listener in listeners:
            listener.close()
        return OpenKernel(kernel_id, ConnectionInfo(str(directory), key), pid, self.server)

    async def close(self) -> None:
        """End what they are forked from."""
        self.server.close()


async def warm_runs() -> dict[str, tuple[Samples, Samples]]:
    """For each kind of work: in a kernel behind its walls, and in one without."""
    async with _confined() as ours, _open() as theirs:
        return {name: await _in_turns(ours, theirs, code, count) for name, (code, count) in WORK.items()}


async def _in_turns(ours: KernelClient, theirs: KernelClient, code: str, count: int) -> tuple[Samples, Samples]:
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(count + 5):
        for kernel, times in zip((ours, theirs), taken, strict=True):
            took_ms = await _time_run(kernel, code)
            if turn >= 5:  # the first ones fill caches
                times.append(took_ms)
    return Samples(tuple(taken[0])), Samples(tuple(taken[1]))


async def _time_run(kernel: KernelClient, code: str) -> float:
    begun = time.perf_counter()
    result = await kernel.run(RunSpec("python", code, 30.0, 2**20, 2**20, wants_variables=False))
    took_ms = (time.perf_counter() - begun) * 1000
    if not result.success:
        raise RuntimeError(f"a run failed: {result.error}")
    return took_ms


@contextlib.asynccontextmanager
async def _confined() -> AsyncIterator[KernelClient]:
    launcher = await ZygoteLauncher.start(ZygoteOptions(str(plain.KERNEL_PYTHON), f"benchwarm-{os.getpid()}"))
    try:
        kernel = await KernelStarter(launcher).start(REQUEST)
        yield kernel
        await kernel.kill()
    finally:
        await launcher.close()


@contextlib.asynccontextmanager
async def _open() -> AsyncIterator[KernelClient]:
    with tempfile.TemporaryDirectory(prefix="omega-bench-", dir=SAME_KIND) as folder:
        launcher = OpenLauncher(ForkServer(), Path(folder))
        try:
            kernel = await KernelStarter(launcher).start(REQUEST)
            yield kernel
            await kernel.kill()
        finally:
            await launcher.close()


if __name__ == "__main__":
    for name, (behind, without) in asyncio.run(warm_runs()).items():
        print(f"{name}: {behind.shown()} behind walls, {without.shown()} without, ratio {behind.p50 / without.p50:.3f}")

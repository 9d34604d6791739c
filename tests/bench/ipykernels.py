"""A plain ipykernel through jupyter_client, with the same environment as the gateway's kernels."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from tests.bench.plain import KERNEL_PYTHON

REPLY_S = 60.0


class PlainManager(AsyncKernelManager):
    """An AsyncKernelManager that needs no installed kernelspec."""

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [str(KERNEL_PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="plain", language="python")

    def pid(self) -> int:
        """The kernel's process."""
        pid = getattr(self.provisioner, "pid", None)
        if not isinstance(pid, int):
            raise RuntimeError("the kernel has no local process")
        return pid


@contextlib.asynccontextmanager
async def plain_kernel(folder: Path) -> AsyncIterator[tuple[PlainManager, AsyncKernelClient]]:
    """A started ipykernel that has answered, and its client; shut down with the block."""
    manager = PlainManager(connection_file=str(folder / f"kernel-{time.monotonic_ns()}.json"))
    await manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = manager.client()
    try:
        client.start_channels()
        await client.wait_for_ready(timeout=REPLY_S)
        yield manager, client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def execute(client: AsyncKernelClient, code: str) -> str:
    """What *code* printed, once its reply and its idle are both there: the least a correct client waits for."""
    msg_id = client.execute(code, allow_stdin=False)
    text: list[str] = []
    while True:
        message = await client.get_iopub_msg(timeout=REPLY_S)
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        if message["msg_type"] == "stream":
            text.append(message["content"]["text"])
        if message["msg_type"] == "error":
            raise RuntimeError(message["content"]["evalue"])
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            break
    while (await client.get_shell_msg(timeout=REPLY_S))["parent_header"].get("msg_id") != msg_id:
        pass
    return "".join(text)

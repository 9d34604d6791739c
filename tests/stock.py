"""A launcher of plain, unconfined ipykernels for contract tests; OMEGA_KERNEL_PYTHON names their interpreter."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
from pathlib import Path

from gateway.core.model import Death
from gateway.core.validate import Channel
from gateway.kernel.launch.launcher import ConnectionInfo, LaunchRequest
from tests.fakes import short_directory
from tests.live import HANG_S

PORTS = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}


def kernel_python() -> str | None:
    """The interpreter of the kernels, if one is named."""
    return os.environ.get("OMEGA_KERNEL_PYTHON")


def stock_address(endpoint: ConnectionInfo, channel: Channel) -> str:
    """Where a stock ipykernel listens."""
    return f"{endpoint.directory}/s-{PORTS[channel]}"


class StockProcess:
    """A plain ipykernel process."""

    def __init__(self, process: asyncio.subprocess.Process, endpoint: ConnectionInfo) -> None:
        self.kernel_id = f"stock-{process.pid}"
        self.endpoint = endpoint
        self.process = process
        self._asked = False
        self._gone = asyncio.create_task(self._await_exit())

    async def _await_exit(self) -> Death:
        status = await self.process.wait()
        shutil.rmtree(self.endpoint.directory, ignore_errors=True)
        return Death(max(status, 0), max(-status, 0), out_of_memory=False, asked=self._asked)

    async def interrupt(self) -> None:
        """SIGINT."""
        self.process.send_signal(signal.SIGINT)

    async def kill(self) -> Death:
        """SIGKILL to its group."""
        if not self._gone.done():
            self._asked = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        return await self.wait()

    async def wait(self) -> Death:
        """How it ended."""
        return await asyncio.shield(self._gone)


class StockLauncher:
    """Starts plain ipykernels over ipc."""

    def __init__(self, python: str) -> None:
        self._python = python
        self._started: list[StockProcess] = []

    async def launch(self, request: LaunchRequest) -> StockProcess:
        """A kernel whose sockets exist."""
        directory = short_directory()
        key = secrets.token_hex(16)
        ports = {f"{name}_port": number for name, number in PORTS.items()}
        connection = {"transport": "ipc", "ip": f"{directory}/s", "key": key, "kernel_name": "", **ports}
        path = directory / "c.json"
        path.write_text(json.dumps({**connection, "signature_scheme": "hmac-sha256"}))
        process = await asyncio.create_subprocess_exec(
            self._python,
            *("-Xfrozen_modules=off", "-m", "ipykernel", "-f", str(path), "--HistoryManager.enabled=False"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=directory,
            start_new_session=True,
        )
        started = StockProcess(process, ConnectionInfo(str(directory), key))
        self._started.append(started)
        await self._await_sockets(directory)
        return started

    async def _await_sockets(self, directory: Path) -> None:
        """A foreign process tells nobody when it listens, so this one place has to look again and again."""
        async with asyncio.timeout(HANG_S):
            for name in ("shell", "iopub", "control"):
                while not _accepts(directory / f"s-{PORTS[name]}"):  # noqa: ASYNC110  # see above
                    await asyncio.sleep(0.02)

    async def close(self) -> None:
        """End all."""
        for started in self._started:
            await started.kill()


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def write_spec(data_dir: Path, name: str, argv: list[str], **fields: object) -> None:
    """A kernelspec *name* in a Jupyter data directory."""
    folder = data_dir / "kernels" / name
    folder.mkdir(parents=True)
    spec = {"argv": argv, "display_name": name.title(), "language": "python", **fields}
    (folder / "kernel.json").write_text(json.dumps(spec))

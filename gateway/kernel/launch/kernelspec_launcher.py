"""The *provisioner* launcher: kernels of any kernelspec, started by the jupyter_client provisioner that it names.

Nothing confines these kernels: unless their provisioner does, they run as the gateway's own user, with all its rights. So
the operator has to name each kernelspec.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import structlog
import zmq.asyncio
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from traitlets import TraitError

from gateway.core.errors import Unavailable
from gateway.core.model import Death
from gateway.kernel.launch.ipc import PORTS, prefix
from gateway.kernel.launch.launcher import ConnectionInfo, LaunchRequest
from kernels.contract import CHANNELS

START_S: Final = 60.0
LOOK_AGAIN_S: Final = 0.02
OURS: Final = "OMEGA_"
log = structlog.get_logger()


class NoSpec(Exception):
    """A kernelspec is not there or can't be used; the message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class SpecInfo:
    """A kernelspec as clients see it."""

    name: str
    display_name: str
    language: str


def describe_spec(name: str) -> SpecInfo:
    """The kernelspec *name* among those Jupyter finds in this environment; raises NoSpec."""
    manager = KernelSpecManager()
    try:
        found = manager.get_kernel_spec(name)
    except NoSuchKernel:
        known = ", ".join(sorted(manager.find_kernel_specs())) or "none"
        raise NoSpec(f"there is no kernelspec {name!r}; available: {known}") from None
    except (OSError, ValueError, TypeError, TraitError) as error:
        raise NoSpec(f"the kernelspec {name!r} can't be read: {type(error).__name__}: {error}") from None
    return SpecInfo(name, str(found.display_name), str(found.language))


class ProvisionedKernel:
    """A kernel that a third party's provisioner started; see launcher.KernelProcess."""

    def __init__(self, kernel_id: str, manager: AsyncKernelManager, directory: Path) -> None:
        self.kernel_id = kernel_id
        self.endpoint = ConnectionInfo(str(directory), "")
        self._manager = manager
        self._directory = directory
        self._is_asked = False
        self._death = asyncio.create_task(self._await_death())

    @property
    def is_dead(self) -> bool:
        """It has ended and its directory is gone."""
        return self._death.done()

    def find(self) -> None:
        """Learn from the provisioner where it listens; raises Unavailable when that is another machine."""
        self.endpoint = _endpoint(self._manager, self._directory)

    async def interrupt(self) -> None:
        """Stop the running code the way the kernelspec says, by signal or by message."""
        if not self._death.done():
            await self._manager.interrupt_kernel()

    async def kill(self) -> Death:
        """Kill the kernel's process group; the provisioner has to end anything else that it started."""
        if not self._death.done():
            self._is_asked = True
            await _provisioner(self._manager).kill()
        return await self.wait()

    async def wait(self) -> Death:
        """How the kernel died; waits until it has and its directory is gone."""
        return await asyncio.shield(self._death)

    async def _await_death(self) -> Death:
        status = await _provisioner(self._manager).wait() or 0
        await self._manager.cleanup_resources()
        shutil.rmtree(self._directory, ignore_errors=True)
        return Death(max(status, 0), max(-status, 0), out_of_memory=False, asked=self._is_asked)


class ProvisionerLauncher:
    """Starts kernels of one kernelspec; sockets and work directories are below *runtime*, a directory of the gateway."""

    def __init__(self, name: str, runtime: Path) -> None:
        self._name = name
        self._runtime = runtime
        self._context: zmq.asyncio.Context = zmq.asyncio.Context()
        self._kernels: set[ProvisionedKernel] = set()

    async def launch(self, request: LaunchRequest) -> ProvisionedKernel:
        """A running kernel whose sockets accept connections. The limits of *request* do not apply. Raises Unavailable."""
        if request.place:
            raise Unavailable("kernels of kernelspecs have no place that others can join")
        kernel_id = str(uuid.uuid4())
        directory = self._runtime / f"other-{kernel_id[:13]}"
        try:
            kernel = await self._start(kernel_id, directory, request.env)
        except BaseException as error:
            shutil.rmtree(directory, ignore_errors=True)
            if isinstance(error, asyncio.CancelledError) or not isinstance(error, Exception):
                raise
            # A third party's provisioner may raise anything.
            log.warning("kernel start failed", spec=self._name, reason=f"{type(error).__name__}: {error}"[:500])
            raise Unavailable(f"a kernel of {self._name} could not be started: see the gateway's log") from None
        self._kernels = {other for other in self._kernels if not other.is_dead} | {kernel}
        try:
            kernel.find()
            async with asyncio.timeout(START_S):
                await _await_sockets(kernel)
        except BaseException as error:
            await asyncio.shield(kernel.kill())
            if isinstance(error, TimeoutError):
                raise Unavailable(f"a kernel of {self._name} took too long to start") from None
            raise
        return kernel

    async def _start(self, kernel_id: str, directory: Path, env: Mapping[str, str]) -> ProvisionedKernel:
        for made in (directory, directory / "work"):
            made.mkdir(mode=0o700)
        manager = AsyncKernelManager(
            kernel_name=self._name,
            kernel_id=kernel_id,
            context=self._context,
            transport="ipc",
            ip=prefix(directory),
            connection_file=str(directory / "kernel.json"),
            **{f"{channel}_port": port for channel, port in PORTS.items()},
        )
        try:
            await manager.start_kernel(cwd=str(directory / "work"), env={**_environment(), **env})
        except BaseException:
            await manager.cleanup_resources()
            raise
        return ProvisionedKernel(kernel_id, manager, directory)

    async def close(self) -> None:
        """End every kernel."""
        await asyncio.gather(*(kernel.kill() for kernel in list(self._kernels)))
        self._context.destroy(linger=0)


def _environment() -> dict[str, str]:
    """The gateway's environment without its settings, some of which are secrets."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def _provisioner(manager: AsyncKernelManager) -> Any:
    provisioner = manager.provisioner
    if provisioner is None:
        raise Unavailable("the kernel was not started")
    return provisioner


def _endpoint(manager: AsyncKernelManager, directory: Path) -> ConnectionInfo:
    """Where the kernel listens, as its provisioner said. Raises Unavailable when that is another machine.

    Messages are signed but not encrypted.
    """
    info: Mapping[str, Any] = manager.get_connection_info()
    address, is_tcp = str(info["ip"]), info["transport"] == "tcp"
    if is_tcp and not ip_address(address).is_loopback:
        raise Unavailable(f"the kernel listens on {address}: kernels on other machines can't be used")
    ports = {channel: int(info[f"{channel}_port"]) for channel in CHANNELS}
    form = "tcp://{}:{}" if is_tcp else "{}-{}"
    return ConnectionInfo(
        str(directory), info["key"].decode("ascii"), {name: form.format(address, port) for name, port in ports.items()}
    )


async def _await_sockets(kernel: ProvisionedKernel) -> None:
    """Return once all channels accept connections; raises Unavailable when the kernel dies before.

    Such a process does not report when it listens, so the gateway has to try again and again.
    """
    for address in kernel.endpoint.addresses.values():
        while not await _accepts(address):
            if kernel.is_dead:
                raise Unavailable("the kernel died while starting: see the gateway's stderr")
            await asyncio.sleep(LOOK_AGAIN_S)


async def _accepts(address: str) -> bool:
    try:
        if address.startswith("tcp://"):
            host, _, port = address.removeprefix("tcp://").rpartition(":")
            _reader, writer = await asyncio.open_connection(host, int(port))
        else:
            _reader, writer = await asyncio.open_unix_connection(address)
    except OSError:
        return False
    writer.transport.abort()
    return True

"""The *zygote* launcher: kernels forked by the spawner, reached over sockets this process bound."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from gateway.core.errors import Unavailable
from gateway.core.model import Death
from gateway.kernel.launch.kept_spawner import READY_S, KeptSpawner, end
from gateway.kernel.launch.launcher import ConnectionInfo, LaunchRequest
from gateway.kernel.launch.runtime import bind_channels, make_private, runtime_dir
from gateway.kernel.launch.spawner_process import APP_DIR, RunningSpawner, connect, execute
from kernels import contract
from kernels.contract import (
    Attach,
    Exited,
    Interrupt,
    Kill,
    OpenFiles,
    Packet,
    Ready,
    Refused,
    Renew,
    Renewed,
    Spawn,
    SpawnerOptions,
    Started,
)

START_S = 60.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ZygoteOptions:
    """What the launcher is given: *instance* is stable for one state directory, so leftovers are found again."""

    kernel_python: str
    instance: str
    at_most: str = "L3"
    forks_per_zygote: int = 2000
    extra_dirs: tuple[str, ...] = ()
    spawner_socket: str = ""
    """Where a spawner listens that was started apart; "" to execute one. Its interpreter and highest level are its own."""
    lock_fd: int = -1
    """The lock on *instance* where that is not the state directory's; an executed spawner keeps it until it has ended."""
    is_swept: bool = False
    """Whether an executed spawner removes the sockets as well: for a process that may be killed and not come back."""


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
            with suppress(Unavailable):  # its spawner has ended: its death follows
                self.send(Interrupt(self.kernel_id))

    async def kill(self) -> Death:
        """End the kernel and everything it started; answers once all is gone."""
        if not self.death.done():
            with suppress(Unavailable):  # its spawner has ended, and it with it: that is told in a moment
                self.send(Kill(self.kernel_id))
        return await asyncio.shield(self.death)

    async def wait(self) -> Death:
        """How the kernel died; waits until it has."""
        return await asyncio.shield(self.death)


class ZygoteLauncher:
    """Has a spawner, another one when it ends, and gives it up."""

    def __init__(self, options: ZygoteOptions) -> None:
        self._options = options
        self._runtime = runtime_dir(options.instance)
        self._kernels: dict[str, ZygoteKernel] = {}
        self._starting: dict[str, asyncio.Future[Started]] = {}
        self._extra_dirs = options.extra_dirs
        self._renewed: asyncio.Future[None] | None = None
        self._has_runtime = False
        self._spawner = KeptSpawner(self)

    @classmethod
    async def start(cls, options: ZygoteOptions) -> ZygoteLauncher:
        """A launcher whose first zygote is warm; raises Unavailable with the reason when there can be none."""
        launcher = cls(options)
        try:
            await launcher._spawner.start()
        except BaseException:
            await asyncio.shield(launcher.close())
            raise
        return launcher

    @property
    def ready(self) -> Ready:
        """What the spawner said of itself: isolation level, facilities, versions. Raises Unavailable while it restarts."""
        return self._spawner.ready

    @property
    def unavailable_since(self) -> float | None:
        """Since when there is no spawner that is ready, in seconds since 1970; None while there is one."""
        return self._spawner.unavailable_since

    async def launch(self, request: LaunchRequest) -> ZygoteKernel:
        """A confined, attested kernel; raises Unavailable, naming the step that failed, when it was refused."""
        kernel_id = str(uuid.uuid4())
        directory = self._runtime / kernel_id[:13]
        loop = asyncio.get_running_loop()
        endpoint = ConnectionInfo(str(directory), request.key or secrets.token_hex(32))
        kernel = ZygoteKernel(kernel_id, endpoint, self._spawner.send, loop.create_future())
        self._kernels[kernel_id] = kernel
        started = self._starting[kernel_id] = loop.create_future()
        try:
            listeners = bind_channels(directory)
            try:
                spawn = Spawn(kernel_id, request.language, kernel.endpoint.key, request.policy, dict(request.env))
                self._spawner.send(spawn, tuple(listener.fileno() for listener in listeners))
            finally:
                for listener in listeners:
                    listener.close()
            answer = await asyncio.wait_for(started, START_S)
        except BaseException as error:
            self._abandon(kernel)
            if isinstance(error, TimeoutError):
                raise Unavailable("a kernel took too long to start") from None
            if isinstance(error, OSError):
                raise Unavailable(f"a kernel could not be started: {error.strerror}") from None
            raise
        kernel.pid, kernel.steps_ms = answer.pid, answer.steps_ms
        return kernel

    def open_files(self, kernel_id: str) -> socket.socket:
        """A socket to a helper that serves this kernel's work directory (see kernel.files); the caller closes it.

        Whether there is such a kernel is said on the socket. Raises Unavailable.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._spawner.send(OpenFiles(kernel_id), (theirs.fileno(),))
            except BaseException:
                ours.close()
                raise
        return ours

    def versions(self) -> dict[str, str]:
        """The distributions of the kernels' environment and their versions. Raises Unavailable."""
        return dict(self.ready.packages)

    async def use_packages(self, extra_dirs: tuple[str, ...]) -> None:
        """Show kernels started from now on these read-only directories too; answers once that is so.

        Kernels that run already are as they were. Raises Unavailable when no zygote gets ready with them.
        """
        self._extra_dirs = extra_dirs
        renewed = self._renewed = asyncio.get_running_loop().create_future()
        self._spawner.send(Renew(list(extra_dirs)))
        try:
            await asyncio.wait_for(renewed, READY_S)
        except TimeoutError:
            raise Unavailable("kernels could not be started with the added packages") from None

    async def close(self) -> None:
        """End the spawner, and with it every kernel; removes the sockets, and whatever a killed spawner left."""
        if not await self._spawner.close():
            await self._sweep()
        if self._has_runtime:
            shutil.rmtree(self._runtime, ignore_errors=True)

    # ---- the spawner process; see kept_spawner.Owner ----------------------------------------------------------------

    async def open_spawner(self) -> RunningSpawner:
        """A spawner under way. Raises Unavailable."""
        asked = self._options
        try:
            make_private(self._runtime)
            self._has_runtime = True
            if asked.spawner_socket:
                return connect(asked.spawner_socket, Attach(asked.instance, asked.forks_per_zygote, list(self._extra_dirs)))
            return await execute(self._spawner_options())
        except OSError as error:
            raise Unavailable(f"a spawner can't be started: {error.strerror}") from None
        except RuntimeError as error:  # no thread more can be had to wait for it with
            raise Unavailable(f"a spawner can't be started: {error}") from None

    def _spawner_options(self) -> SpawnerOptions:
        asked = self._options
        return SpawnerOptions(
            instance=asked.instance,
            kernel_python=asked.kernel_python,
            app_dir=APP_DIR,
            work_root=str(self._runtime / "work"),
            at_most=asked.at_most,
            forks_per_zygote=asked.forks_per_zygote,
            extra_dirs=self._extra_dirs,
            lock_fd=asked.lock_fd,
            remove=str(self._runtime) if asked.is_swept else "",
        )

    async def _sweep(self) -> None:
        """Remove what a spawner that was killed left on the machine; nothing of ours runs any more."""
        try:
            code = await end(await execute(replace(self._spawner_options(), only_sweeps=True)))
        except (OSError, RuntimeError) as error:
            log.error("leftovers_not_removed", reason=str(error))
            return
        if code != 0:
            log.error("leftovers_not_removed", exit_code=code)

    def spawner_lost(self) -> None:
        """Its kernels died with it."""
        for kernel_id in list(self._kernels):
            self.heard(Exited(kernel_id, 0, 9, out_of_memory=False, asked=False))

    # ---- packets -------------------------------------------------------------------------------------------------

    def heard(self, packet: Packet) -> None:
        """The spawner said this. Raises ContractError for what no spawner says."""
        match packet:
            case Renewed(extra_dirs=extra_dirs):
                if self._renewed is not None and not self._renewed.done() and tuple(extra_dirs) == self._extra_dirs:
                    self._renewed.set_result(None)
            case Started(kernel_id=kernel_id):
                future = self._starting.pop(kernel_id, None)
                if future is not None and not future.done():
                    future.set_result(packet)
            case Refused(kernel_id=kernel_id):
                self._forget(kernel_id, Unavailable(f"a kernel was refused at {packet.step}: {packet.reason}"))
            case Exited(kernel_id=kernel_id):
                self._bury(packet)
                self._forget(kernel_id, Unavailable("a kernel died while it was started"))
            case _:
                raise contract.ContractError(f"a spawner does not say {type(packet).__name__}")

    def _bury(self, exited: Exited) -> None:
        kernel = self._kernels.get(exited.kernel_id)
        if kernel is not None and not kernel.death.done():
            kernel.death.set_result(
                Death(
                    exited.code,
                    exited.signal,
                    exited.out_of_memory,
                    exited.asked,
                    exited.peak_bytes,
                    exited.cpu_s,
                )
            )

    def _forget(self, kernel_id: str, reason: Unavailable) -> None:
        """The kernel is no more: its sockets go, and whoever waited for its start learns *reason*."""
        kernel = self._kernels.pop(kernel_id, None)
        if kernel is not None:
            if not kernel.death.done():
                kernel.death.set_result(Death(0, 0, out_of_memory=False, asked=True))
            shutil.rmtree(kernel.endpoint.directory, ignore_errors=True)
        future = self._starting.pop(kernel_id, None)
        if future is not None and not future.done():
            future.set_exception(reason)

    def _abandon(self, kernel: ZygoteKernel) -> None:
        """Nobody waits for this start any more: whatever comes of it is killed."""
        self._starting.pop(kernel.kernel_id, None)
        if kernel.kernel_id not in self._kernels:
            return
        try:
            self._spawner.send(Kill(kernel.kernel_id))
        except Unavailable:
            self._forget(kernel.kernel_id, Unavailable("the spawner is not running"))

"""The *zygote* launcher: kernels forked by the spawner, reached over sockets this process bound."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from gateway.core.errors import Unavailable
from gateway.core.model import Death
from gateway.kernel.launcher import Endpoint, LaunchRequest
from gateway.kernel.runtime import bind_channels, make_private, runtime_dir
from gateway.kernel.spawner import APP_DIR, Spawner, connect, execute
from kernels import contract
from kernels.contract import (
    NOTHING_REACHED,
    PACKAGE_MISSING,
    Attach,
    Exited,
    Interrupt,
    Kill,
    OpenFiles,
    Ready,
    Refused,
    Renew,
    Renewed,
    Shutdown,
    Spawn,
    SpawnerOptions,
    Started,
)

READY_S = 120.0
START_S = 60.0
CLOSE_S = 15.0
RESTART_DELAYS_S = (0.0, 1.0, 5.0, 15.0, 30.0)
log = structlog.get_logger()


class NoIsolation(Unavailable):
    """Not even the lowest isolation level can be reached, so no kernel is ever started."""


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
    endpoint: Endpoint
    send: Callable[[contract.Packet], None]
    death: asyncio.Future[Death]
    pid: int = 0
    steps_ms: dict[str, float] = field(default_factory=dict)

    async def interrupt(self) -> None:
        """Send SIGINT to the kernel and what it started in its process group."""
        if not self.death.done():
            self.send(Interrupt(self.kernel_id))

    async def kill(self) -> Death:
        """End the kernel and everything it started; answers once all is gone."""
        if not self.death.done():
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
        self._control: socket.socket | None = None
        self._spawner: Spawner | None = None
        self._ready: asyncio.Future[Ready] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._extra_dirs = options.extra_dirs
        self._renewed: asyncio.Future[None] | None = None
        self._closing = False

    @classmethod
    async def start(cls, options: ZygoteOptions) -> ZygoteLauncher:
        """A launcher whose first zygote is warm; raises Unavailable with the reason when there can be none."""
        launcher = cls(options)
        await launcher._start_spawner()
        launcher._keeper = asyncio.create_task(launcher._keep(), name="spawner keeper")
        try:
            await asyncio.wait_for(launcher._await_ready(), READY_S)
        except BaseException as error:
            await asyncio.shield(launcher.close())
            if isinstance(error, NoIsolation):
                raise
            if isinstance(error, TimeoutError | Unavailable):
                raise Unavailable(f"the spawner did not get ready: {error or 'it took too long'}") from None
            raise
        return launcher

    @property
    def ready(self) -> Ready:
        """What the spawner said of itself: isolation level, facilities, versions. Raises Unavailable while it restarts."""
        if self._ready is None or not self._ready.done() or self._ready.cancelled() or self._ready.exception():
            raise Unavailable("the spawner is not ready")
        return self._ready.result()

    async def launch(self, request: LaunchRequest) -> ZygoteKernel:
        """A confined, attested kernel; raises Unavailable, naming the step that failed, when it was refused."""
        kernel_id = str(uuid.uuid4())
        directory = self._runtime / kernel_id[:13]
        loop = asyncio.get_running_loop()
        endpoint = Endpoint(str(directory), request.key or secrets.token_hex(32))
        kernel = ZygoteKernel(kernel_id, endpoint, self._send, loop.create_future())
        self._kernels[kernel_id] = kernel
        started = self._starting[kernel_id] = loop.create_future()
        try:
            listeners = bind_channels(directory)
            try:
                spawn = Spawn(kernel_id, request.language, kernel.endpoint.key, request.policy, dict(request.env))
                self._send(spawn, tuple(listener.fileno() for listener in listeners))
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
                self._send(OpenFiles(kernel_id), (theirs.fileno(),))
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
        self._send(Renew(list(extra_dirs)))
        try:
            await asyncio.wait_for(renewed, READY_S)
        except TimeoutError:
            raise Unavailable("kernels could not be started with the added packages") from None

    async def close(self) -> None:
        """End the spawner, and with it every kernel; removes the sockets."""
        self._closing = True
        if self._control is not None:
            try:
                self._send(Shutdown())
            except Unavailable:
                log.info("spawner_gone_before_close")
        if self._spawner is not None:
            try:
                await asyncio.wait_for(self._spawner.wait(), CLOSE_S)
            except TimeoutError:
                self._spawner.kill()
                await self._spawner.wait()
        if self._keeper is not None:
            await self._keeper
        shutil.rmtree(self._runtime, ignore_errors=True)

    # ---- the spawner process -------------------------------------------------------------------------------------

    async def _start_spawner(self) -> None:
        """Have a spawner, and listen to it; raises Unavailable when none can be started or reached."""
        try:
            make_private(self._runtime)
            try:
                self._spawner = spawner = await self._open_spawner()
            except BaseException:
                shutil.rmtree(self._runtime, ignore_errors=True)
                raise
        except OSError as error:
            raise Unavailable(f"a spawner can't be started: {error.strerror}") from None
        self._control = spawner.control
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        loop.add_reader(self._control.fileno(), self._hear)

    async def _open_spawner(self) -> Spawner:
        asked = self._options
        if asked.spawner_socket:
            return connect(asked.spawner_socket, Attach(asked.instance, asked.forks_per_zygote, list(self._extra_dirs)))
        return await execute(
            SpawnerOptions(
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
        )

    async def _keep(self) -> None:
        """Have another spawner whenever one ends before close() was called."""
        failures = 0
        while True:
            spawner, ready = self._spawner, self._ready
            if spawner is None or ready is None:
                return
            code = await spawner.wait()
            was_ready = ready.done() and not ready.cancelled() and ready.exception() is None
            self._spawner_ended(code)
            failures = 0 if was_ready else failures + 1
            while not self._is_closing():
                # One that was started apart comes back when whoever starts it wants it to: that is waited for.
                if failures >= len(RESTART_DELAYS_S) and not self._options.spawner_socket:
                    return
                delay_s = RESTART_DELAYS_S[min(failures, len(RESTART_DELAYS_S) - 1)]
                log.warning("spawner_ended", exit_code=code, restarts_in_s=delay_s)
                if await self._restart(delay_s):
                    break
                failures += 1
            if self._is_closing():
                return

    async def _restart(self, delay_s: float) -> bool:
        """Whether there is a spawner again *delay_s* from now."""
        await asyncio.sleep(delay_s)
        if self._is_closing():
            return False
        try:
            await self._start_spawner()
        except Unavailable as error:
            log.warning("spawner_not_reached", reason=str(error))
            return False
        return True

    def _is_closing(self) -> bool:
        return self._closing

    async def _await_ready(self) -> Ready:
        """The first Ready; raises Unavailable when the spawner ended instead."""
        if self._ready is None:
            raise Unavailable("it was not started")
        return await asyncio.shield(self._ready)

    def _spawner_ended(self, code: int) -> None:
        """Whoever waited for it learns so: its kernels died with it."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        if self._ready is not None and not self._ready.done():
            missing = Unavailable("a package is missing there, named above")
            ended = missing if code == PACKAGE_MISSING else Unavailable(f"its spawner ended with code {code}, see above")
            self._ready.set_exception(NoIsolation("no isolation level can be reached") if code == NOTHING_REACHED else ended)
            self._ready.exception()
        for kernel_id in list(self._kernels):
            self._take(Exited(kernel_id, 0, 9, out_of_memory=False, asked=False))

    # ---- packets -------------------------------------------------------------------------------------------------

    def _send(self, packet: contract.Packet, fds: tuple[int, ...] = ()) -> None:
        if self._control is None:
            raise Unavailable("the spawner is not running")
        try:
            contract.send(self._control, packet, fds)
        except ConnectionError:
            raise Unavailable("the spawner has just ended") from None

    def _hear(self) -> None:
        """Take every packet there is."""
        while self._control is not None:
            try:
                received = contract.receive(self._control, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionError:
                received = None
            if received is None:
                # The process is about to end: _keep() sees it and acts.
                asyncio.get_running_loop().remove_reader(self._control.fileno())
                if self._spawner is not None:
                    self._spawner.hung_up()
                return
            self._take(received[0])

    def _take(self, packet: contract.Packet) -> None:
        match packet:
            case Ready():
                if self._ready is not None and not self._ready.done():
                    self._ready.set_result(packet)
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
            self._send(Kill(kernel.kernel_id))
        except Unavailable:
            self._forget(kernel.kernel_id, Unavailable("the spawner is not running"))

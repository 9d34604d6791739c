"""The *zygote* launcher: the spawner has its zygote fork kernels, on sockets that the gateway has bound."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from gateway.core.errors import Unavailable
from gateway.core.model import Death
from gateway.kernel.launch.kept_spawner import READY_S, KeptSpawner, LowIsolation, end
from gateway.kernel.launch.launcher import ConnectionInfo, LaunchRequest
from gateway.kernel.launch.place import Command
from gateway.kernel.launch.runtime import bind_channels, make_private, runtime_dir
from gateway.kernel.launch.spawner_process import APP_DIR, RunningSpawner, connect, execute
from gateway.kernel.launch.zygote_kernels import ZygoteKernel, ZygoteKernels
from gateway.kernel.launch.zygote_places import ZygoteCommand, ZygotePlaces
from kernels import contract, work_aliases
from kernels.contract import (
    Attach,
    CommandExited,
    CommandRefused,
    CommandStarted,
    Exited,
    Kill,
    Level,
    NotRenewed,
    OpenFiles,
    Packet,
    PlaceGone,
    Reached,
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
    """Options of the launcher. *instance* is the same for one state directory, so leftovers are found at the next start."""

    kernel_python: str
    instance: str
    required: Level = Level.NONE
    """The level below which the first spawner is given up, before it takes the time to warm a zygote."""
    at_most: str = "L3"
    forks_per_zygote: int = 2000
    extra_dirs: tuple[str, ...] = ()
    work_aliases: tuple[str, ...] = work_aliases.DEFAULT
    """Other names of the work directory inside kernels that have a root of their own."""
    kernel_env: Mapping[str, str] = field(default_factory=dict)
    """Variables of every kernel; a request's own come before them."""
    spawner_socket: str = ""
    """Socket of a spawner that was started apart, "" to execute one. It chooses interpreter and highest level itself."""
    lock_fd: int = -1
    """The lock on *instance* if there is no state directory's; an executed spawner holds it until its end."""
    is_swept: bool = False
    """Whether an executed spawner removes the sockets as well: the process that uses it may be killed and never return."""


class ZygoteLauncher:
    """Starts kernels through a spawner, which is replaced whenever it ends."""

    def __init__(self, options: ZygoteOptions) -> None:
        self._options = options
        self._runtime = runtime_dir(options.instance)
        self._kernels = ZygoteKernels()
        self._extra_dirs = options.extra_dirs
        self._renewed: asyncio.Future[None] | None = None
        self._has_runtime = False
        self._spawner = KeptSpawner(self)
        self._places = ZygotePlaces(self._spawner.send)

    @classmethod
    async def start(cls, options: ZygoteOptions) -> ZygoteLauncher:
        """A launcher whose first zygote is warm; raises Unavailable with the reason, or LowIsolation, if that fails."""
        launcher = cls(options)
        try:
            await launcher._spawner.start()
            if lacking := launcher._find_lacking(launcher.ready.level):
                raise lacking
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
        """A confined, attested kernel; raises Unavailable, with the step that failed, if the spawner refuses it."""
        kernel_id = str(uuid.uuid4())
        directory = self._runtime / kernel_id[:13]
        endpoint = ConnectionInfo(str(directory), request.key or secrets.token_hex(32))
        death: asyncio.Future[Death] = asyncio.get_running_loop().create_future()
        kernel = ZygoteKernel(kernel_id, endpoint, self._spawner.send, death)
        started = self._kernels.begin(kernel)
        try:
            listeners = bind_channels(directory)
            try:
                env = {**self._options.kernel_env, **request.env}
                spawn = Spawn(kernel_id, request.language, kernel.endpoint.key, request.policy, env, request.place)
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

        The helper says on the socket whether there is such a kernel. Raises Unavailable.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._spawner.send(OpenFiles(kernel_id), (theirs.fileno(),))
            except BaseException:
                ours.close()
                raise
        return ours

    # ---- places; see place.Places ----------------------------------------------------------------------------------

    def hold(self, kernel_id: str) -> None:
        """From now on the place of this running kernel outlives its process, and guests may join it. Raises Unavailable."""
        self._places.hold(kernel_id)

    async def run_command(self, place: str, command: Command) -> ZygoteCommand:
        """*command*, executed in a held place. Raises CommandNotStarted, and Unavailable without such a place."""
        return await self._places.run_command(place, command)

    async def end_place(self, kernel_id: str) -> None:
        """End everything in a held place; answers once nothing of it is left."""
        await self._places.end_place(kernel_id)

    async def place_gone(self, kernel_id: str) -> None:
        """Wait until nothing is left of a held place."""
        await self._places.place_gone(kernel_id)

    async def use_packages(self, extra_dirs: tuple[str, ...]) -> None:
        """Show kernels started from now on these read-only directories too; answers once that is so.

        Kernels that run already stay as they were. Raises Unavailable when the spawner can't show the directories, when no
        zygote gets ready with them, and as soon as the spawner has ended; the next spawner shows them from its start.
        """
        self._extra_dirs = extra_dirs
        self._spawner.send(Renew(list(extra_dirs)))
        renewed = self._renewed = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(renewed, READY_S)
        except TimeoutError:
            raise Unavailable("kernels could not be started with the added packages") from None

    async def close(self) -> None:
        """End the spawner and every kernel; removes the sockets and what a killed spawner left."""
        if not await self._spawner.close():
            await self._sweep()
        if self._has_runtime:
            shutil.rmtree(self._runtime, ignore_errors=True)

    # ---- the spawner process; see kept_spawner.SpawnerUser ----------------------------------------------------------------

    async def open_spawner(self) -> RunningSpawner:
        """A spawner under way. Raises Unavailable."""
        asked = self._options
        try:
            make_private(self._runtime)
            self._has_runtime = True
            if asked.spawner_socket:
                lists = list(self._extra_dirs), list(asked.work_aliases)
                return connect(asked.spawner_socket, Attach(asked.instance, asked.forks_per_zygote, *lists))
            return await execute(self._spawner_options())
        except OSError as error:
            raise Unavailable(f"the spawner can't be started: {error.strerror}") from None
        except RuntimeError as error:  # no thread can be started that waits for it
            raise Unavailable(f"the spawner can't be started: {error}") from None

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
            work_aliases=asked.work_aliases,
            lock_fd=asked.lock_fd,
            remove=str(self._runtime) if asked.is_swept else "",
        )

    async def _sweep(self) -> None:
        """Remove what a killed spawner left on the machine; none of its processes runs any more."""
        try:
            code = await end(await execute(replace(self._spawner_options(), only_sweeps=True)))
        except (OSError, RuntimeError) as error:
            log.error("cleanup failed", reason=str(error))
            return
        if code != 0:
            log.error("cleanup failed", exit_code=code)

    def spawner_lost(self) -> None:
        """The spawner has ended: its kernels died with it, and it answers no request."""
        self._kernels.lose_all()
        self._places.lose_all()
        self._end_renewal("the spawner ended while it was adding the packages")

    # ---- packets -------------------------------------------------------------------------------------------------

    def heard(self, packet: Packet) -> None:
        """Take a packet of the spawner. Raises ContractError for one that no spawner sends."""
        match packet:
            case Reached(level=level):
                if lacking := self._find_lacking(level):
                    self._spawner.give_up_start(lacking)
            case Renewed(extra_dirs=extra_dirs):
                if tuple(extra_dirs) == self._extra_dirs:
                    self._end_renewal("")
            case NotRenewed():
                self._end_renewal("the spawner can't show the added packages to kernels: its log says why")
            case Started():
                self._kernels.started(packet)
            case Refused():
                self._kernels.refused(packet)
            case Exited():
                self._kernels.exited(packet)
            case PlaceGone() | CommandStarted() | CommandRefused() | CommandExited():
                self._places.heard(packet)
            case _:
                raise contract.ContractError(f"unexpected packet {type(packet).__name__} from the spawner")

    def _find_lacking(self, level: str) -> LowIsolation | None:
        """Why a spawner of this level is no good, or None."""
        reached = Level.parse(level)
        return LowIsolation(reached, self._options.required) if reached < self._options.required else None

    def _end_renewal(self, problem: str) -> None:
        """Answer use_packages(), if it waits: with the *problem*, or that all is done."""
        renewed, self._renewed = self._renewed, None
        if renewed is None or renewed.done():
            return
        if problem:
            renewed.set_exception(Unavailable(problem))
        else:
            renewed.set_result(None)

    def _abandon(self, kernel: ZygoteKernel) -> None:
        """The caller has given up this start: kill the kernel if it comes."""
        self._kernels.stop_waiting(kernel)
        if kernel not in self._kernels:
            return
        try:
            self._spawner.send(Kill(kernel.kernel_id))
        except Unavailable:
            self._kernels.forget(kernel.kernel_id, "the spawner is not running")

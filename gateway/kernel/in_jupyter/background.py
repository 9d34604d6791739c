"""A launcher in a thread of its own, shared by the whole process, for programs with any event loop or none."""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import sys
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
import zmq.asyncio
from jupyter_core.paths import jupyter_runtime_dir

from gateway.core.errors import Unavailable
from gateway.kernel.in_jupyter.connection import JupyterConnection
from gateway.kernel.in_jupyter.instance_lock import Claim, claim
from gateway.kernel.launch.launcher import LaunchRequest
from gateway.kernel.launch.minimum_level import LevelFloor
from gateway.kernel.launch.runtime import runtime_dir
from gateway.kernel.launch.zygote_launcher import ZygoteLauncher, ZygoteOptions
from kernels.contract import Level

CLOSE_S: Final = 30.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LauncherOptions:
    """How kernels are started, and the lowest isolation level that is accepted."""

    kernel_python: str
    required: Level


@dataclass(frozen=True, slots=True)
class _Running:
    """A running launcher."""

    launcher: ZygoteLauncher
    floor: LevelFloor
    runtime: Path
    claim: Claim


class Background:
    """The kernels of one process and one kind. Started by the first kernel, ended with the process.

    When the process is killed, the spawner sees the end of its socket and removes everything.
    """

    def __init__(self, wanted: LauncherOptions) -> None:
        self._wanted = wanted
        self._loop = asyncio.new_event_loop()
        self._starting: asyncio.Task[_Running] | None = None
        self._context: zmq.asyncio.Context = zmq.asyncio.Context()
        self._numbers = itertools.count()
        self._is_closed = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandboxed kernels", daemon=True)
        self._thread.start()

    def number(self) -> int:
        """A number for a kernel's connection that was never used before."""
        return next(self._numbers)

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """What *work* answers, run in the thread while the caller's loop goes on; raises Unavailable after close()."""
        if self._is_closed:
            work.close()
            raise Unavailable("this process is exiting")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def launch(self, request: LaunchRequest, number: int) -> tuple[JupyterConnection, Path]:
        """A kernel on the connection *number*, and where that is; run it with `call`. Raises Unavailable with the reason."""
        running = await self._run()
        process = await running.floor.launch(request)
        directory = running.runtime / f"seat{number}"
        try:
            return JupyterConnection(directory, process, self._context), directory
        except BaseException as error:
            await process.kill()
            if isinstance(error, OSError):
                raise Unavailable(f"a kernel's sockets can't be created in {directory}: {error.strerror}") from None
            raise

    async def _run(self) -> _Running:
        """The launcher; the first caller starts it, and the next one after a failed start."""
        task = self._starting
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(task)

    async def _start(self) -> _Running:
        place = claim(Path(jupyter_runtime_dir()) / "omega")
        try:
            wanted = self._wanted
            options = ZygoteOptions(
                wanted.kernel_python, place.instance, required=wanted.required, lock_fd=place.fd, is_swept=True
            )
            launcher = await ZygoteLauncher.start(options)
        except BaseException:
            place.release()
            raise
        return _Running(launcher, LevelFloor(launcher, wanted.required), runtime_dir(place.instance), place)

    def close(self) -> None:
        """End every kernel and the thread; nothing is left on the machine. Safe to call again."""
        if self._is_closed:
            return
        self._is_closed = True
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)
        self._loop.close()

    async def _close(self) -> None:
        if self._starting is not None:
            await asyncio.wait([self._starting])
            if not self._starting.cancelled() and self._starting.exception() is None:
                running = self._starting.result()
                await running.launcher.close()
                running.claim.release()
        # Tasks that wait for the death of a kernel have their answer now, and may need a turn of the loop to pass it on.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=1.0)
        self._context.destroy(linger=0)


_shared: dict[tuple[int, LauncherOptions], Background] = {}
_lock = threading.Lock()


def shared(wanted: LauncherOptions) -> Background:
    """This process's launcher of the kind *wanted*; it ends with the process."""
    place = (os.getpid(), wanted)  # a forked process has the threads of its parent no longer
    with _lock:
        if place not in _shared:
            if not structlog.is_configured():
                structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is the program's
            _shared[place] = Background(wanted)
            atexit.register(_close, place)
        return _shared[place]


def _close(place: tuple[int, LauncherOptions]) -> None:
    if place[0] == os.getpid():
        _shared.pop(place).close()

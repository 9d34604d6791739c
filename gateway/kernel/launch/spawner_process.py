"""The two ways to get a spawner: execute one, or connect to one that was started apart."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.core.errors import Unavailable
from kernels import contract
from kernels.contract import NOTHING_REACHED, PACKAGE_MISSING, Attach, SpawnerOptions

BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));from kernels.spawner.main import main; sys.exit(main(sys.argv[1:]))"
)
ORDERLY = (0, NOTHING_REACHED, PACKAGE_MISSING)
"""Exit codes of a spawner that has removed every trace."""
APP_DIR = str(Path(contract.__file__).resolve().parent.parent)


class RunningSpawner(Protocol):
    """A running spawner and the socket to it."""

    @property
    def control(self) -> socket.socket:
        """The socket for packets."""

    async def wait(self) -> int:
        """Its exit code, once it has ended."""

    def hung_up(self) -> None:
        """Note that the connection to it is closed."""

    def kill(self) -> None:
        """End it now."""


@dataclass(frozen=True, slots=True)
class SpawnerProcess:
    """A spawner that is this process's child."""

    control: socket.socket
    process: asyncio.subprocess.Process

    async def wait(self) -> int:
        """Its exit code."""
        return await self.process.wait()

    def hung_up(self) -> None:
        """Nothing to do: the end of the process is noticed."""

    def kill(self) -> None:
        """End it at once; its kernels die with it."""
        with suppress(ProcessLookupError):
            self.process.kill()


@dataclass(frozen=True, slots=True)
class SpawnerConnection:
    """A spawner that was started apart; it serves this gateway until one of the two closes the socket."""

    control: socket.socket
    ended: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def wait(self) -> int:
        """0, once the connection has ended: its exit code is not known here."""
        return await asyncio.shield(self.ended)

    def hung_up(self) -> None:
        """It has ended, or serves this gateway no longer."""
        if not self.ended.done():
            self.ended.set_result(0)

    def kill(self) -> None:
        """Give it up: it ends this gateway's kernels by itself."""
        self.hung_up()


async def execute(options: SpawnerOptions) -> SpawnerProcess:
    """A spawner in a process of its own."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    told = (options.app_dir, str(theirs.fileno()), options.to_text())
    lock = (options.lock_fd,) if options.lock_fd >= 0 else ()
    try:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", BOOTSTRAP, *told),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *lock),
                env=spawner_environment(),
                # A Ctrl-C in the terminal must not reach the spawner: the gateway drains first.
                start_new_session=True,
            )
    except BaseException:
        ours.close()
        raise
    return SpawnerProcess(ours, process)


def connect(path: str, attach: Attach) -> SpawnerConnection:
    """The spawner that listens at *path*; raises Unavailable when it cannot be reached."""
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        control.setblocking(False)
        control.connect(path)
        control.setblocking(True)
        contract.send(control, attach)
    except BlockingIOError:
        control.close()
        raise Unavailable(f"the spawner at {path} serves another gateway") from None
    except OSError as error:
        control.close()
        raise Unavailable(f"the spawner at {path} can't be reached: {error.strerror}") from None
    return SpawnerConnection(control)


def spawner_environment() -> dict[str, str]:
    """The spawner's whole environment: what numerics need, by name, and nothing of the gateway's."""
    passed = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "TZ")
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"} | {name: os.environ[name] for name in passed if name in os.environ}

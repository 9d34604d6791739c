"""Stand-ins for kernels: one that really speaks signed Jupyter messages over ipc sockets, one without any socket.

The speaking one passes the same contract tests as a real ipykernel (tests/gateway/kernel/test_client_contract.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from selectors import SelectSelector
from typing import Any, TypeVar

import zmq
import zmq.asyncio
from jupyter_client.session import Session

from gateway.core.errors import Unavailable
from gateway.core.model import Death, Event, Result, RunSpec
from gateway.kernel.launch.launcher import ConnectionInfo, LaunchRequest
from gateway.kernel.launch.zygote_places import ZygotePlaces
from kernels.contract import (
    CHANNELS,
    CommandExited,
    CommandRefused,
    CommandStarted,
    EndPlace,
    Hold,
    Kill,
    Packet,
    PlaceGone,
    PlaceReport,
    RunCommand,
    SignalCommand,
)

T = TypeVar("T")
KILLED = Death(code=0, signal=9, out_of_memory=False, asked=True)
CRASH = Death(code=0, signal=11, out_of_memory=False, asked=False)


# ---- a kernel that speaks -----------------------------------------------------------------------------------------------


@dataclass
class Request:
    """One execute_request as the fake kernel got it, and the ways to answer it."""

    kernel: FakeKernel
    message: dict[str, Any]
    identities: list[bytes]

    @property
    def code(self) -> str:
        """The code to run."""
        return str(self.message["content"]["code"])

    def publish(self, kind: str, content: object, **parts: Any) -> None:
        """Send on iopub, as an answer to this request unless *parent* says otherwise."""
        self.kernel.publish(kind, content, parent=parts.pop("parent", self.message["header"]), **parts)

    def write(self, text: str, name: str = "stdout") -> None:
        """Write to a stream."""
        self.publish("stream", {"name": name, "text": text})

    def state(self, state: str) -> None:
        """Publish a status."""
        self.publish("status", {"execution_state": state})

    def reply(self, content: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None) -> None:
        """Send the execute_reply."""
        content = {"status": "ok", "execution_count": 1, **(content or {})}
        self.kernel.answer("shell", "execute_reply", content, self.message, self.identities, metadata)

    def fail(self, name: str, value: str) -> None:
        """Publish an error and reply with it."""
        content = {"ename": name, "evalue": value, "traceback": [f"Traceback\n{name}: {value}"]}
        self.publish("error", content)
        self.reply({"status": "error", **content})


Script = Callable[[Request], Awaitable[None]]


async def say_ok(request: Request) -> None:
    """The plainest run: busy, reply, idle."""
    request.state("busy")
    request.reply()
    request.state("idle")


async def say_never(request: Request) -> None:
    """A run without end."""
    request.state("busy")
    await asyncio.Event().wait()


class FakeKernel:
    """A KernelProcess whose four sockets are served by this very event loop, following *script*."""

    def __init__(self, script: Script = say_ok, *, welcomes: bool = True) -> None:
        self.kernel_id = "fake-" + secrets.token_hex(4)
        self.directory = tempfile.mkdtemp(prefix="ok-")
        self.endpoint = ConnectionInfo(self.directory, secrets.token_hex(16))
        self.session = Session(key=self.endpoint.key.encode(), username="kernel")
        self.script = script
        self.interrupts: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.obeys_message = True
        self.obeys_signal = True
        self._welcomes = welcomes
        self._death: asyncio.Future[Death] = asyncio.get_running_loop().create_future()
        self._context = zmq.asyncio.Context()
        kinds = {"shell": zmq.ROUTER, "iopub": zmq.XPUB, "stdin": zmq.ROUTER, "control": zmq.ROUTER}
        self.sockets: dict[str, Any] = {name: self._context.socket(kinds[name]) for name in CHANNELS}
        for name, sock in self.sockets.items():
            sock.set(zmq.SNDHWM, 0)
            sock.bind(f"ipc://{self.directory}/{name}")
        self._running: asyncio.Task[None] | None = None
        loops = (self._serve_shell(), self._serve_control(), self._serve_iopub())
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    async def _serve_iopub(self) -> None:
        while True:
            event = await self.sockets["iopub"].recv()
            if event[:1] == b"\x01" and self._welcomes:
                self.publish("iopub_welcome", {"subscription": ""}, parent={})

    async def _serve_shell(self) -> None:
        while True:
            identities, message = await self._next("shell")
            self.requests.append(message)
            self._running = asyncio.create_task(self._run(Request(self, message, identities)))
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self._running)

    async def _run(self, request: Request) -> None:
        if request.message["header"]["msg_type"] == "kernel_info_request":
            request.state("busy")
            self.answer("shell", "kernel_info_reply", {"status": "ok"}, request.message, request.identities)
            request.state("idle")
            return
        if request.message["content"]["silent"]:
            await say_ok(request)
            return
        try:
            await self.script(request)
        except asyncio.CancelledError:
            request.fail("KeyboardInterrupt", "")
            request.state("idle")

    async def answered(self) -> dict[str, Any]:
        """The next answer to a call of a tool."""
        return await self._answers.get()

    async def _serve_control(self) -> None:
        while True:
            identities, message = await self._next("control")
            if message["header"]["msg_type"] == "omega_tool_result":
                self._answers.put_nowait(message["content"])
                continue
            self.interrupts.append("message")
            if self.obeys_message:
                self._cancel()
            self.answer("control", "interrupt_reply", {"status": "ok"}, message, identities)

    async def _next(self, channel: str) -> tuple[list[bytes], dict[str, Any]]:
        frames = await self.sockets[channel].recv_multipart()
        identities, rest = self.session.feed_identities(frames)
        return identities, self.session.deserialize(rest)

    def _cancel(self) -> None:
        if self._running is not None:
            self._running.cancel()

    def publish(self, kind: str, content: object, *, parent: object, metadata: object = None) -> None:
        """Send a signed message on iopub."""
        self.publish_parts(kind, [self.session.pack(part) for part in (parent, metadata or {}, content)])

    def publish_parts(self, kind: str, parts: list[bytes]) -> None:
        """Send parent, metadata and content as given, with a header and a right signature."""
        header = self.session.pack(self.session.msg_header(kind))
        self.publish_frames([header, *parts])

    def publish_frames(self, parts: list[bytes]) -> None:
        """Send any four parts with a right signature."""
        if not self._death.done():
            sock: zmq.Socket[bytes] = zmq.Socket.shadow(self.sockets["iopub"].underlying)
            self.session.send_raw(sock, parts, ident=b"topic")

    def answer(
        self,
        channel: str,
        kind: str,
        content: dict[str, Any],
        parent: dict[str, Any],
        identities: list[bytes],
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Reply to a request."""
        if not self._death.done():
            self.session.send(self.sockets[channel], kind, content, parent=parent, ident=identities, metadata=metadata)

    async def interrupt(self) -> None:
        """SIGINT."""
        self.interrupts.append("signal")
        if self.obeys_signal:
            self._cancel()

    async def kill(self) -> Death:
        """SIGKILL."""
        self.die(KILLED)
        return await self.wait()

    def die(self, death: Death) -> None:
        """Be gone, as *death* says: sockets first, as a real process."""
        if self._death.done():
            return
        self._death.set_result(death)
        for task in (*self._tasks, *([self._running] if self._running else [])):
            task.cancel()
        for sock in self.sockets.values():
            sock.close(linger=200)
        shutil.rmtree(self.directory, ignore_errors=True)

    async def wait(self) -> Death:
        """How it died."""
        return await asyncio.shield(self._death)

    async def close(self) -> None:
        """End it and let go of everything."""
        self.die(KILLED)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._context.term)


class FakeLauncher:
    """Starts speaking fakes."""

    def __init__(self, script: Script = say_ok) -> None:
        self.script = script
        self.kernels: list[FakeKernel] = []

    async def launch(self, request: LaunchRequest) -> FakeKernel:
        """One more."""
        kernel = FakeKernel(self.script)
        self.kernels.append(kernel)
        return kernel

    async def close(self) -> None:
        """End all."""
        for kernel in self.kernels:
            await kernel.close()


# ---- places whose commands are plain processes of this machine ----------------------------------------------------------


class FakePlaces(ZygotePlaces):
    """The launcher's own table of places; instead of a spawner, this runs the commands, unconfined, in a directory."""

    def __init__(self) -> None:
        super().__init__(self.carry_out)
        self.held: dict[str, str] = {}
        """The work directory of each place, by kernel."""
        self._running: dict[str, tuple[str, subprocess.Popen[bytes]]] = {}

    def carry_out(self, packet: Packet, fds: tuple[int, ...] = ()) -> None:
        """What a spawner does for *packet*; its report comes in a later turn of the loop, as from another process."""
        match packet:
            case Hold(kernel_id=kernel_id):
                self.held[kernel_id] = tempfile.mkdtemp(prefix="ok-")
            case EndPlace(kernel_id=kernel_id):
                self._end_all(kernel_id)
            case RunCommand():
                self._report(self._start(packet, fds))
            case SignalCommand(command_id=command_id) | Kill(kernel_id=command_id):
                if command_id in self._running:
                    number = packet.signal if isinstance(packet, SignalCommand) else 9
                    os.killpg(self._running[command_id][1].pid, number)

    def _report(self, report: PlaceReport) -> None:
        asyncio.get_running_loop().call_soon(self.heard, report)

    def _start(self, asked: RunCommand, fds: tuple[int, ...]) -> PlaceReport:
        if asked.place not in self.held:
            return CommandRefused(asked.command_id, "place", "there is no such place")
        work, env = self.held[asked.place], {"PATH": "/usr/bin:/bin", **asked.env}
        cwd = os.path.join(work, asked.cwd)
        if not os.path.isdir(cwd):
            return CommandRefused(asked.command_id, "cwd", "ENOENT")
        stdin, stdout, stderr = fds
        try:
            process = subprocess.Popen(
                asked.argv, env=env, cwd=cwd, start_new_session=True, stdin=stdin, stdout=stdout, stderr=stderr
            )
        except FileNotFoundError:
            return CommandRefused(asked.command_id, "program", "ENOENT")
        except PermissionError:
            return CommandRefused(asked.command_id, "program", "EACCES")
        self._running[asked.command_id] = (asked.place, process)
        pidfd = os.pidfd_open(process.pid)
        asyncio.get_running_loop().add_reader(pidfd, self._ended, asked.command_id, pidfd)
        return CommandStarted(asked.command_id, process.pid)

    def _ended(self, command_id: str, pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)
        place, process = self._running.pop(command_id)
        code = process.wait()
        self._report(CommandExited(command_id, max(code, 0), max(-code, 0)))
        if place not in self.held and place not in {other for other, _ in self._running.values()}:
            self._report(PlaceGone(place))

    def _end_all(self, kernel_id: str) -> None:
        if (work := self.held.pop(kernel_id, None)) is None:
            return
        shutil.rmtree(work)
        running = [process for place, process in self._running.values() if place == kernel_id]
        for process in running:
            os.killpg(process.pid, 9)
        if not running:
            self._report(PlaceGone(kernel_id))


# ---- a kernel without sockets, and a clock that jumps -------------------------------------------------------------------


class SilentKernel:
    """The pool's view of a kernel, and nothing behind it."""

    def __init__(self, number: int, request: LaunchRequest) -> None:
        self.kernel_id = f"k{number}"
        self.request = request
        self.kills = 0
        self.kill_s = 0.0
        self._death: asyncio.Future[Death] = asyncio.get_running_loop().create_future()

    @property
    def is_alive(self) -> bool:
        """Whether it has not died."""
        return not self._death.done()

    async def run(self, spec: RunSpec, on_event: Callable[[Event], None] | None = None) -> Result:
        """An empty success."""
        return Result(True, "", "", "", None, 0, 0.0)

    async def interrupt(self) -> None:
        """No run goes on for long enough."""

    def die(self, death: Death = KILLED) -> None:
        """Be gone."""
        if not self._death.done():
            self._death.set_result(death)

    async def ended(self) -> Death:
        """How it died."""
        return await asyncio.shield(self._death)

    async def kill(self) -> Death:
        """End it."""
        self.kills += 1
        await asyncio.sleep(self.kill_s)
        self.die()
        return await self.ended()


@dataclass
class FakeStarter:
    """Starts silent kernels after *start_s* each; the next *failures* starts fail."""

    start_s: float = 0.05
    failures: int = 0
    kill_s: float = 0.0
    kernels: list[SilentKernel] = field(default_factory=list)
    starting: int = 0
    most_starting: int = 0

    @property
    def alive(self) -> list[SilentKernel]:
        """Those that have not died."""
        return [kernel for kernel in self.kernels if kernel.is_alive]

    async def start(self, request: LaunchRequest) -> SilentKernel:
        """One more, or Unavailable."""
        self.starting += 1
        self.most_starting = max(self.most_starting, self.starting)
        try:
            await asyncio.sleep(self.start_s)
        finally:
            self.starting -= 1
        if self.failures:
            self.failures -= 1
            raise Unavailable("no zygote")
        kernel = SilentKernel(len(self.kernels), request)
        kernel.kill_s = self.kill_s
        self.kernels.append(kernel)
        return kernel


class _JumpingSelector(SelectSelector):
    """Instead of waiting, moves the clock to when the wait would end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """What is ready now; when nothing is, time passes at once."""
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("the event loop would wait for ever")
        if not ready and timeout:
            self.now += timeout
        return ready


class ClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only in sleeps, and then at once. Not for sockets."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """The fake time."""
        return self._jumping.now


def in_fake_time(main: Coroutine[Any, Any, T]) -> T:
    """The answer of *main*, run on a clock of its own."""
    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        return runner.run(main)


def spec(code: str = "", **changes: Any) -> RunSpec:
    """A run with room for everything, but for *changes*."""
    defaults: dict[str, Any] = {
        "task": "python",
        "code": code,
        "timeout_s": 10.0,
        "output_bytes": 1024 * 1024,
        "rich_bytes": 8 * 1024 * 1024,
    }
    return RunSpec(**{**defaults, **changes})


def short_directory() -> Path:
    """A new directory whose path leaves room for socket names."""
    return Path(tempfile.mkdtemp(prefix="ok-"))

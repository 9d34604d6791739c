"""The client of one kernel: runs code on it, one run at a time, each with a deadline and an end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import Unavailable
from gateway.core.fold import Completed, Died, Ending, Overflowed, Stopped, TimedOut, Unanswered
from gateway.core.model import Death, Json, OnEvent, Result, RunSpec
from gateway.core.run_files import NOTHING_GIVEN
from gateway.core.validate import Channel
from gateway.kernel.host_line import limit_time
from gateway.kernel.inbox import Inbox
from gateway.kernel.interruption import Interruption
from gateway.kernel.launch.launcher import KernelProcess
from gateway.kernel.run import Cause, Run
from gateway.kernel.wire.codec import Codec
from gateway.kernel.wire.share import Share
from gateway.kernel.wire.sockets import MAX_MESSAGE_BYTES, Address, KernelSockets, Loss, Receive, socket_path
from kernels.contract import Language

NOTHING: Final[dict[Language, str]] = {"python": "pass", "javascript": "void 0"}
"""Code that does nothing and still takes the whole path of a run."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How long a kernel may take beside user code, and how much it may send."""

    connect_timeout_s: float = 10.0
    nudge_s: float = 1.0
    """After so long without a welcome the kernel is sent a request that it has to answer."""
    grace_s: float = 1.0
    """Grace between the interrupt at the deadline and the kill: half for the message, half for the signal."""
    drain_s: float = 0.25
    """Grace for the last output of a dead kernel."""
    loss_s: float = 0.5
    """Grace between a broken connection and the kill, so that a crash is reported as a crash."""
    max_message_bytes: int = MAX_MESSAGE_BYTES
    max_noise_bytes: int = 64 * 1024 * 1024
    """How much may come that belongs to no run, from the start of one run to the start of the next."""


@dataclass(frozen=True, slots=True)
class KernelConnection:
    """The connections to one kernel and how to speak on them."""

    sockets: KernelSockets
    codec: Codec
    process: KernelProcess


class KernelClient:
    """A started kernel, from its first message to its death. Runs go one by one, in order of arrival."""

    def __init__(
        self,
        process: KernelProcess,
        *,
        memory_bytes: int,
        settings: ClientSettings | None = None,
        address: Address = socket_path,
        share: Share | None = None,
    ) -> None:
        self._process = process
        self._memory_bytes = memory_bytes
        self._settings = settings or ClientSettings()
        self._loop = asyncio.get_running_loop()
        self._codec = Codec(process.endpoint.key)
        self._turn = asyncio.Lock()
        self._inbox = Inbox(self._codec, self._settings.max_noise_bytes, lambda: self._give_up(Cause.EXCEEDED))
        self._is_broken = False
        self._iopub_ended = asyncio.Event()
        self._wind_down: asyncio.Task[None] | None = None
        self._killing: asyncio.Task[Death] | None = None
        self._sockets = KernelSockets(
            process.endpoint,
            self._inbox.receive,
            self._lose,
            address=address,
            max_message_bytes=self._settings.max_message_bytes,
            share=share,
        )
        self._interruption = Interruption(self._sockets, self._codec, process, self._inbox, self._settings.grace_s)
        self._death: asyncio.Task[Death] = asyncio.create_task(self._await_death())

    @property
    def kernel_id(self) -> str:
        """The name of the kernel."""
        return self._process.kernel_id

    @property
    def is_alive(self) -> bool:
        """Whether a run may be tried: the kernel lives, is connected and is not being killed."""
        return not self._death.done() and self._killing is None and not self._is_broken

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way or being stopped."""
        return self._turn.locked()

    async def connect(self) -> None:
        """Wait until the kernel has our subscription, so that no output can be lost; raises Unavailable if it never has."""
        welcome = asyncio.create_task(self._inbox.welcomed.wait())
        nudging = asyncio.create_task(self._nudge())
        try:
            await asyncio.wait(
                {welcome, self._death},
                timeout=self._settings.connect_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            welcome.cancel()
            nudging.cancel()
        if not self._inbox.welcomed.is_set():
            raise Unavailable("the kernel did not answer" if self.is_alive else "the kernel died while starting")

    async def _nudge(self) -> None:
        """Have a kernel older than protocol 5.5, which sends no iopub_welcome, publish something."""
        while True:
            await asyncio.sleep(self._settings.nudge_s)
            _msg_id, frames = self._codec.encode("kernel_info_request", {}, {})
            self._sockets.send("shell", frames)

    async def warm_up(self, language: Language, timeout_s: float = 10.0) -> None:
        """Run an empty cell, so that the first caller does not wait for lazy set-up; raises Unavailable if it fails."""
        spec = RunSpec(language, NOTHING[language], timeout_s, output_bytes=4096, rich_bytes=4096)
        result = await self._take_turn(spec, None, is_silent=True)
        if not result.success:
            raise Unavailable("the kernel failed its first run")

    async def run(self, spec: RunSpec, on_event: OnEvent | None = None) -> Result:
        """The result of one run, when its turn has come. *on_event* gets each event as it comes and must not raise.

        Raises Unavailable if the kernel was gone before anything ran. If the caller is cancelled, the client interrupts the
        code, or kills the kernel if the code does not obey; the next run waits for that.
        """
        return await self._take_turn(spec, on_event, is_silent=False)

    async def interrupt(self) -> None:
        """Interrupt the run under way; without one nothing happens.

        The run decides how: it has the same grace as at its deadline, then the client kills the kernel.
        """
        if self._inbox.run is not None:
            self._inbox.run.note(Cause.INTERRUPTED)

    async def ended(self) -> Death:
        """How the kernel died; waits until it has."""
        return await asyncio.shield(self._death)

    async def kill(self) -> Death:
        """Kill the kernel; answers once its processes are gone and its sockets closed. Safe to call again."""
        if self._killing is None:
            self._killing = asyncio.create_task(self._kill())
        return await asyncio.shield(self._killing)

    async def _kill(self) -> Death:
        if not self._death.done():
            await self._process.kill()
        death = await self._death
        if self._wind_down is not None:
            await self._wind_down
        return death

    async def hand_over(self, receive: Receive) -> KernelConnection:
        """The connections themselves, for good: *receive* gets all that the kernel sends, and no run is possible any more.

        Raises Unavailable if the kernel is gone. A kernel whose connection breaks is still killed.
        """
        if not self.is_alive or self.is_busy or self._inbox.is_handed_over:
            raise Unavailable("the kernel has exited")
        self._inbox.hand_over(receive)
        self._sockets.open(["stdin"])
        try:
            # An input_request that the kernel sends before the connection exists is lost.
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._sockets.ready("stdin")
        except TimeoutError:
            raise Unavailable("the kernel did not answer") from None
        return KernelConnection(self._sockets, self._codec, self._process)

    # ---- one run ----------------------------------------------------------------------------------------------------

    async def _take_turn(self, spec: RunSpec, on_event: OnEvent | None, *, is_silent: bool) -> Result:
        await self._turn.acquire()
        try:
            if not self.is_alive or self._inbox.is_handed_over:
                raise Unavailable("the kernel has exited")
            run = self._begin(spec, on_event, is_silent=is_silent)
            ending = await self._await_end(run, spec)
        except asyncio.CancelledError:
            self._wind_down = asyncio.create_task(self._abandon())
            raise
        except BaseException:
            self._yield_turn()
            raise
        self._yield_turn()
        return run.result(ending, self._loop.time())

    def _yield_turn(self) -> None:
        self._inbox.end_run()
        self._turn.release()

    def _begin(self, spec: RunSpec, on_event: OnEvent | None, *, is_silent: bool) -> Run:
        content, metadata = execute_request(spec, is_silent=is_silent)
        msg_id, frames = self._codec.encode("execute_request", content, metadata)
        run = Run(msg_id, spec, on_event, self._loop.time())
        self._inbox.begin(run)
        self._sockets.send("shell", frames)
        return run

    async def _await_end(self, run: Run, spec: RunSpec) -> Ending:
        deadline = limit_time(run, spec, self._sockets, self._codec)
        try:
            cause = await run.next_cause()
        finally:
            deadline.cancel()
        match cause:
            case Cause.OVER:
                return await self._complete(run)
            case Cause.DEADLINE:
                return TimedOut(None if await self._interruption.stop(run) else await self.kill())
            case Cause.UNANSWERED:
                return Unanswered(None if await self._interruption.stop(run) else await self.kill())
            case Cause.OUTPUT:
                return Overflowed(None if await self._interruption.stop(run) else await self.kill())
            case Cause.INTERRUPTED:
                return await self._stop(run)
            case Cause.EXCEEDED:
                return Overflowed(await self.kill())
            case Cause.LOST:
                return await self._explain_loss(run)
            case Cause.DIED:
                return _died(run, await self._death, self._memory_bytes)

    async def _complete(self, run: Run) -> Ending:
        """The ending of a run that is over, and of its kernel if this was its last."""
        if run.ends_kernel:
            return Completed(await self.kill(), self._memory_bytes)
        return Completed(self._death.result() if self._death.done() else None, self._memory_bytes)

    async def _stop(self, run: Run) -> Ending:
        """The ending of a run that a client interrupts: what its code makes of that within the grace, or the kill."""
        if await self._interruption.stop(run):
            return await self._complete(run)
        death = await self.kill()
        return Stopped(death) if death.asked and not run.is_over else _died(run, death, self._memory_bytes)

    async def _explain_loss(self, run: Run) -> Ending:
        """Why the connection broke: the kernel died, or its code closed the socket or executed another program."""
        done, _ = await asyncio.wait({self._death}, timeout=self._settings.loss_s)
        death = await self.kill()
        was_killed = death.signal == 9 and not death.out_of_memory and not done
        if was_killed and not run.is_over:
            return Died(death, self._memory_bytes, broke_off=True)
        return _died(run, death, self._memory_bytes)

    async def _abandon(self) -> None:
        """End the run whose caller has left, then let the next run begin."""
        try:
            run = self._inbox.run
            if run is not None and self.is_alive and not await self._interruption.stop(run):
                await asyncio.shield(_end(self._process, self._death))
        finally:
            self._yield_turn()

    # ---- loss and death ---------------------------------------------------------------------------------------------

    def _lose(self, channel: Channel, loss: Loss) -> None:
        self._is_broken = True
        if channel == "iopub":
            self._iopub_ended.set()
        self._give_up(Cause.EXCEEDED if loss == "exceeded" else Cause.LOST)

    def _give_up(self, cause: Cause) -> None:
        """The kernel is of no more use: end its run for *cause*, or kill the kernel if there is no run."""
        if self._inbox.run is not None:
            self._inbox.run.note(cause)
        elif self._killing is None:
            self._killing = asyncio.create_task(self._kill_if_alive())

    async def _kill_if_alive(self) -> Death:
        """Kill the kernel after a grace: mostly it has died by itself, and the kill would hide the cause."""
        await asyncio.wait({self._death}, timeout=self._settings.loss_s)
        return await self._kill()

    async def _await_death(self) -> Death:
        """Wait for the end of the process, read its last output, and close the sockets."""
        death = await self._process.wait()
        self._is_broken = True
        self._sockets.resume()
        try:
            async with asyncio.timeout(self._settings.drain_s):
                await self._iopub_ended.wait()
        except TimeoutError:
            pass
        await self._sockets.close()
        if self._inbox.run is not None:
            self._inbox.run.note(Cause.DIED)
        return death


def execute_request(spec: RunSpec, *, is_silent: bool) -> tuple[dict[str, Json], dict[str, Json]]:
    """Content and metadata of the request for *spec*: the caller's code untouched, and what is ours beside it."""
    content: dict[str, Json] = {
        "code": spec.code,
        "silent": is_silent,
        "store_history": not is_silent,
        "user_expressions": {},
        "allow_stdin": False,
        # The client queues requests, one at a time: nothing in the kernel's own queue is ever to be aborted.
        "stop_on_error": False,
    }
    omega: dict[str, Json] = {"task": spec.task, "inputs": spec.inputs, "variables": spec.wants_variables}
    if spec.reports_files:
        omega["files"] = spec.reports_files
    if spec.chart_bytes:
        omega["chart_bytes"] = spec.chart_bytes
    if spec.calls is not None:
        omega["tools"] = [tool.to_json() for tool in spec.calls.tools]
    if spec.picture_bytes:
        omega["picture_bytes"] = spec.picture_bytes
    if spec.given != NOTHING_GIVEN:
        omega["given"] = {**spec.given.to_json(), "fetch_bytes": spec.fetch_bytes}
    return content, {"omega": omega}


def _died(run: Run, death: Death, memory_bytes: int) -> Ending:
    """The ending of a run whose kernel died. If the kernel had sent everything before, the run is complete."""
    return Completed(death, memory_bytes) if run.is_over else Died(death, memory_bytes)


async def _end(process: KernelProcess, death: asyncio.Task[Death]) -> None:
    """Kill *process*, and return once its end is known."""
    await process.kill()
    await death

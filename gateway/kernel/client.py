"""One kernel to run code on: requests out, events in, one deadline, and an end however the kernel behaves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import Unavailable
from gateway.core.fold import Completed, Died, Ending, Overflowed, TimedOut
from gateway.core.model import Death, Json, OnEvent, Result, RunSpec
from gateway.core.strict_json import STEP_BYTES, Steps
from gateway.core.validate import Channel, Head, Interrupted, Message, Welcome
from gateway.kernel.launch.launcher import KernelProcess
from gateway.kernel.run import Cause, Run
from gateway.kernel.wire.codec import Codec
from gateway.kernel.wire.share import VALUE_COST, Share
from gateway.kernel.wire.sockets import MAX_MESSAGE_BYTES, Address, KernelSockets, Receive, socket_path
from gateway.kernel.wire.zmtp import FRAME_BYTES
from kernels.contract import Language

NOTHING: Final[dict[Language, str]] = {"python": "pass", "javascript": "void 0"}
"""Code that does nothing, but all the way through."""
MALFORMED_BYTES: Final = 1024
"""What a message that is none costs beside its bytes."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How long a kernel may take for what is not user code, and how much it may send."""

    connect_timeout_s: float = 10.0
    nudge_s: float = 1.0
    """How long a kernel may take to welcome us before it is asked for something it has to answer."""
    grace_s: float = 1.0
    """From the interrupt at the deadline to the kill; half of it for the message, half for the signal."""
    drain_s: float = 0.25
    """How long the last output of a dead kernel may take to arrive."""
    loss_s: float = 0.5
    """How long a kernel whose connection broke may take to turn out dead, before it is killed for it."""
    max_message_bytes: int = MAX_MESSAGE_BYTES
    max_noise_bytes: int = 64 * 1024 * 1024
    """What may arrive that belongs to no current run, between the start of one run and the next."""


@dataclass(frozen=True, slots=True)
class Line:
    """The connections to one kernel and how to speak on them."""

    sockets: KernelSockets
    codec: Codec
    process: KernelProcess


class KernelClient:
    """A started kernel, from its first sign of life to its death. Runs one thing at a time, in order of arrival."""

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
        self._run: Run | None = None
        self._interrupt_id = ""
        self._interrupted = asyncio.Event()
        self._welcome = asyncio.Event()
        self._receiver: Receive | None = None
        self._is_broken = False
        self._iopub_ended = asyncio.Event()
        self._noise_bytes = 0
        self._wind_down: asyncio.Task[None] | None = None
        self._killing: asyncio.Task[Death] | None = None
        self._sockets = KernelSockets(
            process.endpoint,
            self._receive,
            self._lose,
            address=address,
            max_message_bytes=self._settings.max_message_bytes,
            share=share,
        )
        self._death: asyncio.Task[Death] = asyncio.create_task(self._await_death())

    @property
    def kernel_id(self) -> str:
        """The name of the kernel."""
        return self._process.kernel_id

    @property
    def is_alive(self) -> bool:
        """It has not died, its connection holds and nobody ends it: a run may be tried."""
        return not self._death.done() and self._killing is None and not self._is_broken

    @property
    def is_busy(self) -> bool:
        """A run is going on or being stopped."""
        return self._turn.locked()

    async def connect(self) -> None:
        """Wait until nothing the kernel sends can be lost any more; raises Unavailable if that never comes."""
        welcome = asyncio.create_task(self._welcome.wait())
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
        if not self._welcome.is_set():
            raise Unavailable("the kernel did not answer" if self.is_alive else "the kernel died while starting")

    async def _nudge(self) -> None:
        """Make a kernel that does not welcome subscribers (older than protocol 5.5) say something that shows it has us."""
        while True:
            await asyncio.sleep(self._settings.nudge_s)
            _msg_id, frames = self._codec.encode("kernel_info_request", {}, {})
            self._sockets.send("shell", frames)

    async def warm_up(self, language: Language, timeout_s: float = 10.0) -> None:
        """Run nothing once, so that the first caller does not pay for first times; raises Unavailable if it fails."""
        spec = RunSpec(language, NOTHING[language], timeout_s, output_bytes=4096, rich_bytes=4096)
        result = await self._take_turn(spec, None, is_silent=True)
        if not result.success:
            raise Unavailable("the kernel failed its first run")

    async def run(self, spec: RunSpec, on_event: OnEvent | None = None) -> Result:
        """The result of one run, after its turn has come; *on_event* gets each event as it comes and must not raise.

        Raises Unavailable when the kernel is gone before anything ran. When the caller is cancelled the code is
        interrupted, or the kernel killed if it does not obey; the next run waits for that.
        """
        return await self._take_turn(spec, on_event, is_silent=False)

    async def interrupt(self) -> None:
        """Ask the running code to stop; without a run nothing happens."""
        if self._run is not None:
            self._send_interrupt()

    async def ended(self) -> Death:
        """How the kernel died; waits until it has."""
        return await asyncio.shield(self._death)

    async def kill(self) -> Death:
        """End the kernel; answers once all of it is gone and its sockets are closed. Safe to call again."""
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

    async def hand_over(self, receive: Receive) -> Line:
        """The connections themselves, for good: what the kernel sends goes to *receive* from here on, and no run can be had.

        Raises Unavailable when the kernel is gone. A kernel whose connection breaks is killed, as ever.
        """
        if not self.is_alive or self.is_busy or self._receiver is not None:
            raise Unavailable("the kernel is gone")
        self._receiver = receive
        self._sockets.open(["stdin"])
        try:
            # A kernel that asks for input before it knows our connection asks nobody.
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._sockets.ready("stdin")
        except TimeoutError:
            raise Unavailable("the kernel did not answer") from None
        return Line(self._sockets, self._codec, self._process)

    # ---- one run ----------------------------------------------------------------------------------------------------

    async def _take_turn(self, spec: RunSpec, on_event: OnEvent | None, *, is_silent: bool) -> Result:
        await self._turn.acquire()
        try:
            if not self.is_alive or self._receiver is not None:
                raise Unavailable("the kernel is gone")
            run = self._begin(spec, on_event, is_silent=is_silent)
            ending = await self._await_end(run, spec.timeout_s)
        except asyncio.CancelledError:
            self._wind_down = asyncio.create_task(self._abandon())
            raise
        except BaseException:
            self._yield_turn()
            raise
        self._yield_turn()
        return run.result(ending, self._loop.time())

    def _yield_turn(self) -> None:
        self._run = None
        self._turn.release()

    def _begin(self, spec: RunSpec, on_event: OnEvent | None, *, is_silent: bool) -> Run:
        content = {
            "code": spec.code,
            "silent": is_silent,
            "store_history": not is_silent,
            "user_expressions": {},
            "allow_stdin": False,
            # Requests are queued here, one at a time: nothing in the kernel's queue is ever to be aborted.
            "stop_on_error": False,
        }
        omega: dict[str, Json] = {"task": spec.task, "inputs": spec.inputs, "variables": spec.wants_variables}
        if spec.wants_files:
            omega["files"] = True
        if spec.chart_bytes:
            omega["chart_bytes"] = spec.chart_bytes
        msg_id, frames = self._codec.encode("execute_request", content, {"omega": omega})
        run = Run(msg_id, spec, on_event, self._loop.time())
        self._run = run
        self._noise_bytes = 0
        self._sockets.send("shell", frames)
        return run

    async def _await_end(self, run: Run, timeout_s: float) -> Ending:
        deadline = self._loop.call_later(timeout_s, run.note, Cause.DEADLINE)
        try:
            cause = await run.next_cause()
        finally:
            deadline.cancel()
        match cause:
            case Cause.OVER:
                if run.ends_kernel:
                    return Completed(await self.kill(), self._memory_bytes)
                return Completed(self._death.result() if self._death.done() else None, self._memory_bytes)
            case Cause.DEADLINE:
                return TimedOut(None if await self._stop(run) else await self.kill())
            case Cause.EXCEEDED:
                return Overflowed(await self.kill())
            case Cause.LOST:
                return await self._explain_loss(run)
            case Cause.DIED:
                return self._died(run, await self._death)

    async def _explain_loss(self, run: Run) -> Ending:
        """A connection breaks when the kernel dies, or when code closed it or executed something else in its place."""
        done, _ = await asyncio.wait({self._death}, timeout=self._settings.loss_s)
        death = await self.kill()
        was_killed = death.signal == 9 and not death.out_of_memory and not done
        if was_killed and not run.is_over:
            return Died(death, self._memory_bytes, broke_off=True)
        return self._died(run, death)

    def _died(self, run: Run, death: Death) -> Ending:
        """A kernel that died right after it had said all there is has still completed the run."""
        return Completed(death, self._memory_bytes) if run.is_over else Died(death, self._memory_bytes)

    async def _abandon(self) -> None:
        """Bring the run whose caller left to an end, then let the next one in."""
        try:
            if self._run is not None and self.is_alive and not await self._stop(self._run):
                await asyncio.shield(self._end_process())
        finally:
            self._yield_turn()

    async def _end_process(self) -> None:
        await self._process.kill()
        await self._death

    async def _stop(self, run: Run) -> bool:
        """Interrupt by message, then by signal; whether the code obeyed, the kernel is idle and keeps its state."""
        if run.is_over:
            return True
        half_s = self._settings.grace_s / 2
        for interrupt in (self._interrupt_by_message, self._process.interrupt):
            try:
                async with asyncio.timeout(half_s):
                    await interrupt()
                    cause = await run.next_cause()
                    if cause is not Cause.OVER:
                        return False
                    await self._interrupted.wait()
                    return True
            except TimeoutError:
                continue
        return False

    async def _interrupt_by_message(self) -> None:
        self._send_interrupt()

    def _send_interrupt(self) -> None:
        self._interrupted.clear()
        self._interrupt_id, frames = self._codec.encode("interrupt_request", {}, {})
        self._sockets.send("control", frames)

    # ---- what the sockets and the process say -----------------------------------------------------------------------

    def _receive(self, channel: Channel, messages: list[list[bytes]]) -> Steps[int]:
        if self._receiver is not None:
            return (yield from self._receiver(channel, messages))
        run, cost = self._run, 0
        wanted = self._interrupt_id if channel == "control" else run.msg_id if run else ""
        fed: list[Message] = []
        for frames in messages:
            if run is not None and not run.can_take(frames):
                break
            message = yield from self._codec.decoding(channel, frames, wanted)
            if isinstance(message, Message) and message.parent_id == wanted and wanted:
                cost += VALUE_COST * message.count.values
                if cost > STEP_BYTES:
                    yield cost
                fed.append(message)
            else:
                self._take_other(channel, message, frames)
        # A run may end, and the next one begin, between the steps.
        if run is not None and run is self._run and fed:
            run.feed(fed)
        if any(isinstance(message.body, Interrupted) for message in fed) and wanted == self._interrupt_id:
            self._interrupted.set()
        return cost

    def _take_other(self, channel: Channel, message: Message | Head | None, frames: list[bytes]) -> None:
        """What is no part of the present run may be the sign that the kernel has us; else it is noise."""
        match message:
            case Message(_, Welcome()) if not self._welcome.is_set():
                self._welcome.set()
            case Head() if channel == "iopub" and not self._welcome.is_set():
                self._welcome.set()  # it answers the nudge, so the subscription holds
            case Head() | Message():
                self._count_noise(sum(map(len, frames)))
            case None:
                # No kernel sends such a thing, and empty frames have no bytes to count.
                self._count_noise(MALFORMED_BYTES + FRAME_BYTES * len(frames) + sum(map(len, frames)))

    def _count_noise(self, size_bytes: int) -> None:
        self._noise_bytes += size_bytes
        if self._noise_bytes > self._settings.max_noise_bytes:
            self._give_up(Cause.EXCEEDED)

    def _lose(self, channel: Channel, has_exceeded: bool) -> None:
        self._is_broken = True
        if channel == "iopub":
            self._iopub_ended.set()
        self._give_up(Cause.EXCEEDED if has_exceeded else Cause.LOST)

    def _give_up(self, cause: Cause) -> None:
        """Nothing good can come of this kernel: tell the run, or end the kernel when there is none."""
        if self._run is not None:
            self._run.note(cause)
        elif self._killing is None:
            self._killing = asyncio.create_task(self._kill_if_alive())

    async def _kill_if_alive(self) -> Death:
        """A connection that breaks is mostly the first sign of a death, whose cause is not to be covered by a kill."""
        await asyncio.wait({self._death}, timeout=self._settings.loss_s)
        return await self._kill()

    async def _await_death(self) -> Death:
        """Wait for the end of the process, take in what it said last, and close."""
        death = await self._process.wait()
        self._is_broken = True
        self._sockets.resume()
        try:
            async with asyncio.timeout(self._settings.drain_s):
                await self._iopub_ended.wait()
        except TimeoutError:
            pass
        await self._sockets.close()
        if self._run is not None:
            self._run.note(Cause.DIED)
        return death

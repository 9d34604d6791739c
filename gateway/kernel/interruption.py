"""How the code of a run is stopped while its kernel keeps its state: by message, then by signal."""

from __future__ import annotations

import asyncio

from gateway.kernel.inbox import Inbox
from gateway.kernel.launch.launcher import KernelProcess
from gateway.kernel.run import Cause, Run
from gateway.kernel.wire.codec import Codec
from gateway.kernel.wire.sockets import KernelSockets


class Interruption:
    """Interrupts one kernel. *grace_s* is how long code has to obey: half of it for the message, half for the signal."""

    def __init__(self, sockets: KernelSockets, codec: Codec, process: KernelProcess, inbox: Inbox, grace_s: float) -> None:
        self._sockets = sockets
        self._codec = codec
        self._process = process
        self._inbox = inbox
        self._grace_s = grace_s

    def ask(self) -> None:
        """Send an interrupt_request, and wait for nothing."""
        msg_id, frames = self._codec.encode("interrupt_request", {}, {})
        self._inbox.expect_interrupt_reply(msg_id)
        self._sockets.send("control", frames)

    async def stop(self, run: Run) -> bool:
        """Whether the code obeyed: *run* is over, and the kernel has answered. If not, the kernel is to be killed."""
        if run.is_over:
            return True
        for interrupt in (self._ask, self._process.interrupt):
            try:
                async with asyncio.timeout(self._grace_s / 2):
                    await interrupt()
                    if not await _ends_by_itself(run):
                        return False
                    # The kernel interrupts itself before it answers. After the answer nothing is left to hit the next run.
                    await self._inbox.interrupted.wait()
                    return True
            except TimeoutError:
                continue
        return False

    async def _ask(self) -> None:
        self.ask()


async def _ends_by_itself(run: Run) -> bool:
    """Whether the next reason for the end of *run* is that it is over; further requests to interrupt it are none."""
    while (cause := await run.next_cause()) is Cause.INTERRUPTED:
        pass
    return cause is Cause.OVER

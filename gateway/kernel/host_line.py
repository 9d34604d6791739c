"""The way from a run's host to its kernel, and the run's clock, which stands still while code waits for the host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.core.host_calls import HostCalls
from gateway.core.host_tools import HostAnswer
from gateway.core.model import RunSpec
from gateway.kernel.run import Cause, Run
from gateway.kernel.wire.codec import Codec
from gateway.kernel.wire.sockets import KernelSockets

KIND: Final = "omega_tool_result"


class HostClock:
    """The time limit of a run whose code may call tools: *timeout_s* of its own, and *wait_s* of waiting in all.

    Of the two only one goes on at a time. *note* is called for the one that is over.
    """

    def __init__(self, timeout_s: float, wait_s: float, note: Callable[[Cause], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._left_s = {Cause.DEADLINE: timeout_s, Cause.UNANSWERED: wait_s}
        self._note = note
        self._begin(Cause.DEADLINE)

    def _begin(self, cause: Cause) -> None:
        self._cause, self._since = cause, self._loop.time()
        self._timer = self._loop.call_later(self._left_s[cause], self._note, cause)

    def switch(self, cause: Cause) -> None:
        """Stop the time that goes on now, and let that of *cause* go on."""
        self._timer.cancel()
        self._left_s[self._cause] -= self._loop.time() - self._since
        self._begin(cause)

    def cancel(self) -> None:
        """Stop both."""
        self._timer.cancel()


class KernelLine:
    """Sends answers to one kernel, for one run; see host_calls.HostLine."""

    def __init__(self, sockets: KernelSockets, codec: Codec, calls: HostCalls, clock: HostClock) -> None:
        self._sockets = sockets
        self._codec = codec
        self._calls = calls
        self._clock = clock
        calls.open(self)

    def deliver(self, answer: HostAnswer) -> None:
        """Send *answer*. It goes by the control channel, which the kernel reads while code runs."""
        self._sockets.send("control", self._codec.pack(KIND, answer.content))

    def begin_waiting(self) -> None:
        """The run's own time stands still."""
        self._clock.switch(Cause.UNANSWERED)

    def end_waiting(self) -> None:
        """The run's own time goes on."""
        self._clock.switch(Cause.DEADLINE)

    def cancel(self) -> None:
        """End it: the run has ended, or is to be stopped."""
        self._clock.cancel()
        self._calls.close()


def limit_time(run: Run, spec: RunSpec, sockets: KernelSockets, codec: Codec) -> asyncio.TimerHandle | KernelLine:
    """What ends *run* when its time is over, until it is cancelled."""
    if spec.calls is None:
        return asyncio.get_running_loop().call_later(spec.timeout_s, run.note, Cause.DEADLINE)
    clock = HostClock(spec.timeout_s, spec.calls.limits.wait_s, run.note)
    return KernelLine(sockets, codec, spec.calls, clock)

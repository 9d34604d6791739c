"""Hands on what a kernel and its Jupyter clients say to each other, and never more than can be sent on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.core.jupyter import Relayed
from gateway.core.model import Death
from gateway.core.strict_json import STEP_BYTES, Steps
from gateway.core.validate import Channel
from gateway.kernel.client import KernelClient, KernelConnection
from gateway.kernel.wire.share import VALUE_COST

INTERRUPT_S: Final = 1.0
"""How long the kernel may take to obey an interrupt by message before it gets the signal."""

OWN: Final = 16
"""How many requests of our own are remembered, to keep the answers to them from clients."""

Deliver = Callable[[list[Relayed]], None]


class Relay:
    """One kernel, all of whose messages go to *deliver*."""

    def __init__(self, kernel: KernelClient, deliver: Deliver) -> None:
        self._kernel = kernel
        self._deliver = deliver
        self._own: deque[str] = deque(maxlen=OWN)
        self._interrupted = asyncio.Event()
        self._is_paused = False
        self._handed: KernelConnection | None = None

    @classmethod
    async def open(cls, kernel: KernelClient, deliver: Deliver) -> Relay:
        """A relay on *kernel*, which it takes over for good; raises Unavailable when that is gone."""
        relay = cls(kernel, deliver)
        relay._handed = await kernel.hand_over(relay._receive)
        return relay

    @property
    def _line(self) -> KernelConnection:
        assert self._handed is not None, "open() makes relays"
        return self._handed

    @property
    def is_alive(self) -> bool:
        """Messages still reach it."""
        return self._kernel.is_alive

    @property
    def is_paused(self) -> bool:
        """Nothing is read from the kernel."""
        return self._is_paused

    def send(self, message: Relayed) -> None:
        """Sign *message* and send it to the kernel; one that is gone does not get it, and ended() tells."""
        self._line.sockets.send(message.channel, self._line.codec.seal(message))

    async def writable(self, channel: Channel) -> None:
        """Return once the kernel takes in what is sent on *channel*: who sends more meanwhile fills our memory."""
        await self._line.sockets.writable(channel)

    def pause(self) -> None:
        """Read nothing more from the kernel: code that prints has to wait once the buffers between are full."""
        if not self._is_paused and self._kernel.is_alive:
            self._is_paused = True
            self._line.sockets.pause()

    def resume(self) -> None:
        """Read on."""
        if self._is_paused:
            self._is_paused = False
            self._line.sockets.resume()

    async def interrupt(self) -> None:
        """Ask the running code to stop: by message, then, when the kernel does not even answer that, by signal."""
        self._interrupted.clear()
        msg_id, frames = self._line.codec.encode("interrupt_request", {}, {})
        self._own.append(msg_id)
        self._line.sockets.send("control", frames)
        try:
            async with asyncio.timeout(INTERRUPT_S):
                await self._interrupted.wait()
        except TimeoutError:
            await self._line.process.interrupt()

    async def ended(self) -> Death:
        """How the kernel died; waits until it has, and everything it said was delivered."""
        return await self._kernel.ended()

    def _receive(self, channel: Channel, messages: list[list[bytes]]) -> Steps[int]:
        if self._handed is None:
            return 0  # late words about the warm-up
        taken: list[Relayed] = []
        for frames in messages:
            message = yield from self._line.codec.opening(channel, frames)
            if message is not None and not self._is_own(message):
                taken.append(message)
        if taken:
            self._deliver(taken)
        return VALUE_COST * sum(map(_values, taken))

    def _is_own(self, message: Relayed) -> bool:
        """Whether no client has to do with it: the greeting of our subscription, and what answers our own requests."""
        if message.head.msg_type == "iopub_welcome":
            return True
        if message.head.parent_id not in self._own:
            return False
        if message.channel == "control":
            self._interrupted.set()
        return True


def _values(message: Relayed) -> int:
    """About how many values the content of *message* has; of a long one its beginning tells."""
    return sum(message.content.count(mark, 0, STEP_BYTES) for mark in (b",", b"[", b"{"))

"""Hands on messages between a kernel and its Jupyter clients, and never reads more than can be sent on."""

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
"""How long a kernel may take to answer an interrupt_request before it gets SIGINT."""

OWN: Final = 16
"""How many of the gateway's own requests are remembered: clients do not get the answers to them."""

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
        """A relay on *kernel*, which it takes over for good; raises Unavailable if the kernel is gone."""
        relay = cls(kernel, deliver)
        relay._handed = await kernel.hand_over(relay._receive)
        return relay

    @property
    def _line(self) -> KernelConnection:
        assert self._handed is not None, "open() makes relays"
        return self._handed

    @property
    def is_alive(self) -> bool:
        """Whether messages still reach the kernel."""
        return self._kernel.is_alive

    @property
    def is_paused(self) -> bool:
        """Whether nothing is read from the kernel."""
        return self._is_paused

    def send(self, message: Relayed) -> None:
        """Sign *message* and send it. If the kernel is gone the message is dropped, and ended() says so."""
        self._line.sockets.send(message.channel, self._line.codec.seal(message))

    async def writable(self, channel: Channel) -> None:
        """Return once the kernel reads what is sent on *channel*; sending more before that fills the gateway's memory."""
        await self._line.sockets.writable(channel)

    def pause(self) -> None:
        """Read nothing from the kernel: code that prints blocks once the buffers between are full."""
        if not self._is_paused and self._kernel.is_alive:
            self._is_paused = True
            self._line.sockets.pause()

    def resume(self) -> None:
        """Read on."""
        if self._is_paused:
            self._is_paused = False
            self._line.sockets.resume()

    async def interrupt(self) -> None:
        """Interrupt the running code: by message, then by signal if the kernel does not answer the message."""
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
        """How the kernel died; waits until it has, and all that it sent was delivered."""
        return await self._kernel.ended()

    def _receive(self, channel: Channel, messages: list[list[bytes]]) -> Steps[int]:
        if self._handed is None:
            return 0  # late messages about the warm-up
        taken: list[Relayed] = []
        for frames in messages:
            message = yield from self._line.codec.opening(channel, frames)
            if message is not None and not self._is_own(message):
                taken.append(message)
        if taken:
            self._deliver(taken)
        return VALUE_COST * sum(map(_values, taken))

    def _is_own(self, message: Relayed) -> bool:
        """Whether *message* is for the gateway alone: the welcome of its subscription, or an answer to its own request."""
        if message.head.msg_type == "iopub_welcome":
            return True
        if message.head.parent_id not in self._own:
            return False
        if message.channel == "control":
            self._interrupted.set()
        return True


def _values(message: Relayed) -> int:
    """About how many values the content of *message* has, judged by its beginning."""
    return sum(message.content.count(mark, 0, STEP_BYTES) for mark in (b",", b"[", b"{"))

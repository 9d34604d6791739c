"""What one kernel sends, sorted by whose it is: the present run's, an answer to an interrupt, or nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.core.strict_json import STEP_BYTES, Steps
from gateway.core.validate import Channel, Interrupted, Message, MessageHead, Welcome
from gateway.kernel.run import Run
from gateway.kernel.wire.codec import Codec
from gateway.kernel.wire.share import VALUE_COST
from gateway.kernel.wire.sockets import Receive
from gateway.kernel.wire.zmtp import FRAME_BYTES

MALFORMED_BYTES: Final = 1024
"""What a malformed message costs beside its bytes."""


class Inbox:
    """Reads the messages of one kernel. Calls *overflow* when too much comes that belongs to no run."""

    def __init__(self, codec: Codec, max_noise_bytes: int, overflow: Callable[[], None]) -> None:
        self._codec = codec
        self._max_noise_bytes = max_noise_bytes
        self._overflow = overflow
        self._noise_bytes = 0
        self._interrupt_id = ""
        self._successor: Receive | None = None
        self.run: Run | None = None
        """The run under way."""
        self.welcomed = asyncio.Event()
        """The kernel has our subscription: nothing that it publishes from here on is lost."""
        self.interrupted = asyncio.Event()
        """The kernel has answered the last interrupt."""

    @property
    def is_handed_over(self) -> bool:
        """Whether somebody else reads what comes."""
        return self._successor is not None

    def begin(self, run: Run) -> None:
        """*run* is under way from here on; what belongs to no run is counted anew."""
        self.run = run
        self._noise_bytes = 0

    def end_run(self) -> None:
        """No run is under way: what still comes of the last one is nobody's."""
        self.run = None

    def expect_interrupt_reply(self, msg_id: str) -> None:
        """Have `interrupted` wait for the answer to this interrupt_request; an answer to an earlier one is nobody's."""
        self.interrupted.clear()
        self._interrupt_id = msg_id

    def hand_over(self, successor: Receive) -> None:
        """Let *successor* read all that comes from here on."""
        self._successor = successor

    def receive(self, channel: Channel, messages: list[list[bytes]]) -> Steps[int]:
        """Take in messages, in steps; comes to what the last step cost (see sockets.Receive)."""
        if self._successor is not None:
            return (yield from self._successor(channel, messages))
        run, cost = self.run, 0
        wanted = self._interrupt_id if channel == "control" else run.msg_id if run else ""
        fed: list[Message] = []
        for frames in messages:
            # Before anything is decoded. The rest of the batch is dropped: the run has noted its end.
            if run is not None and not run.can_take(frames):
                break
            message = yield from self._codec.decoding(channel, frames, wanted)
            # Jupyter's messaging protocol, "Parent header": an answer has its request's header as parent_header.
            if isinstance(message, Message) and message.parent_id == wanted and wanted:
                cost += VALUE_COST * message.count.values
                if cost > STEP_BYTES:
                    yield cost
                fed.append(message)
            else:
                self._take_other(channel, message, frames)
        # A run may end, and the next one begin, between the steps.
        if run is not None and run is self.run and fed:
            run.feed(fed)
        if any(isinstance(message.body, Interrupted) for message in fed) and wanted == self._interrupt_id:
            self.interrupted.set()
        return cost

    def _take_other(self, channel: Channel, message: Message | MessageHead | None, frames: list[bytes]) -> None:
        """Take a message of no run: the sign that the kernel has our subscription, or noise."""
        match message:
            # JEP 65: a kernel of protocol 5.5 greets each new subscription with iopub_welcome.
            case Message(_, Welcome()) if not self.welcomed.is_set():
                self.welcomed.set()
            # An older kernel answers the nudge on iopub, and this comes only if it has the subscription.
            case MessageHead() if channel == "iopub" and not self.welcomed.is_set():
                self.welcomed.set()
            case MessageHead() | Message():
                self._count_noise(sum(map(len, frames)))
            case None:
                # No honest kernel sends a malformed message; empty frames have no bytes to count.
                self._count_noise(MALFORMED_BYTES + FRAME_BYTES * len(frames) + sum(map(len, frames)))

    def _count_noise(self, size_bytes: int) -> None:
        self._noise_bytes += size_bytes
        if self._noise_bytes > self._max_noise_bytes:
            self._overflow()

"""The gateway's connections to one kernel: bounded, read as data comes, and their loss reported."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from gateway.core.strict_json import STEP_BYTES, Steps
from gateway.core.validate import Channel
from gateway.kernel.launch.launcher import ConnectionInfo
from gateway.kernel.wire.share import FRAME_COST, MESSAGE_COST, Account, Share
from gateway.kernel.wire.zmtp import (
    GREETING,
    SUBSCRIBE_ALL,
    MessageTooLarge,
    Reader,
    Violation,
    encode_message,
    encode_ready,
)

SOCKET_TYPES: Final[dict[Channel, str]] = {"iopub": "SUB", "shell": "DEALER", "control": "DEALER", "stdin": "DEALER"}
RUN_CHANNELS: Final[tuple[Channel, ...]] = ("iopub", "shell", "control")
"""No stdin: runs never ask for input."""

TCP: Final = "tcp://"
MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024
PIECE_BYTES: Final = 32 * 1024
"""Received at a time. A frame may be two bytes long, so more would let one kernel keep everybody else waiting."""

Address = Callable[[ConnectionInfo, Channel], str]
Receive = Callable[[Channel, list[list[bytes]]], Steps[int]]
"""Reads messages, in steps if they are large, and returns what the last step cost beside their bytes (see Share)."""
Lose = Callable[[Channel, bool], None]
"""Is told which channel is lost, and whether a message over the limit is the reason."""


def socket_path(endpoint: ConnectionInfo, channel: Channel) -> str:
    """Where a kernel listens."""
    return endpoint.addresses.get(channel) or f"{endpoint.directory}/{channel}"


class KernelSockets:
    """The connections to one kernel. A broken one means that the kernel died or broke a limit: it is not made again."""

    def __init__(
        self,
        endpoint: ConnectionInfo,
        receive: Receive,
        lose: Lose,
        *,
        address: Address = socket_path,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        share: Share | None = None,
    ) -> None:
        self._endpoint, self._address = endpoint, address
        self._receive, self._lose = receive, lose
        self._max_message_bytes = max_message_bytes
        self._share, self._account = share or Share(), Account()
        # A kernel sends input_request to the identity that sent the execute_request, so stdin and shell must have the same.
        self._identity = b"omega-" + secrets.token_bytes(8)
        self._connections: dict[Channel, _Connection] = {}
        self._opening: list[asyncio.Task[None]] = []
        self.open(RUN_CHANNELS)
        self._connections["iopub"].send(SUBSCRIBE_ALL)

    def open(self, channels: Iterable[Channel]) -> None:
        """Connect *channels*; messages sent before that wait."""
        made: dict[Channel, _Connection] = {}
        for channel in channels:
            reader = Reader(self._max_message_bytes)
            identity = b"" if channel == "iopub" else self._identity
            made[channel] = _Connection(channel, identity, reader, (self._receive, self._lose), (self._share, self._account))
        self._connections |= made
        self._opening.append(asyncio.create_task(self._connect(made)))

    async def _connect(self, connections: dict[Channel, _Connection]) -> None:
        loop = asyncio.get_running_loop()
        for channel, connection in connections.items():
            address = self._address(self._endpoint, channel)
            try:
                if address.startswith(TCP):
                    host, _, port = address.removeprefix(TCP).rpartition(":")
                    await loop.create_connection(lambda connection=connection: connection, host, int(port))  # type: ignore[misc]  # bound now
                else:
                    await loop.create_unix_connection(lambda connection=connection: connection, address)  # type: ignore[misc]  # bound now
            except OSError:
                self._lose(channel, False)

    def pause(self) -> None:
        """Read nothing until resume(); the kernel blocks once the buffers between are full."""
        self._set_paused(is_paused=True)

    def resume(self) -> None:
        """Read on."""
        self._set_paused(is_paused=False)

    def _set_paused(self, *, is_paused: bool) -> None:
        for connection in self._connections.values():
            connection.set_paused(is_paused=is_paused)

    def send(self, channel: Channel, frames: list[bytes]) -> None:
        """Send one message; without a connection it is dropped, and the loss ends the run."""
        self._connections[channel].send(frames)

    async def ready(self, channel: Channel) -> None:
        """Return once the kernel has accepted the connection of *channel*, or it is gone."""
        await self._connections[channel].ready.wait()

    async def writable(self, channel: Channel) -> None:
        """Return once the kernel takes in what is sent on *channel*, or the connection is gone."""
        await self._connections[channel].can_write.wait()

    async def close(self) -> None:
        """Close all connections; nothing is received any more. Safe to call again."""
        for opening in self._opening:
            opening.cancel()
        await asyncio.wait(self._opening)
        for connection in self._connections.values():
            connection.close()


class _Connection(asyncio.BufferedProtocol):
    """One channel. What it has received is read in its turn (see Share); until then it receives nothing more."""

    def __init__(
        self,
        channel: Channel,
        identity: bytes,
        reader: Reader,
        told: tuple[Receive, Lose],
        share: tuple[Share, Account],
    ) -> None:
        self._channel = channel
        self._identity = identity
        self._reader = reader
        self._receive, self._lose = told
        self._share, self.account = share
        self._piece = bytearray()
        self._messages: Iterator[list[bytes]] = iter(())
        self._steps: Steps[int] | None = None
        self._unpaid = 0
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._is_closed = False
        self._is_held = False
        self._is_paused = False
        self._is_stalled = False
        """It was paused before everything was read."""
        self._is_lost = False
        self._has_exceeded = False
        self._has_introduced = False
        self.ready = asyncio.Event()
        self.can_write = asyncio.Event()
        self.can_write.set()

    def pause_writing(self) -> None:
        """Asyncio: too much waits to be sent."""
        self.can_write.clear()

    def resume_writing(self) -> None:
        """Asyncio: the kernel has read most of it."""
        self.can_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the greeting; READY follows the peer's greeting (23/ZMTP, Overall Behavior)."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(GREETING)

    def get_buffer(self, _size_hint: int) -> bytearray:
        """The buffer for the next piece."""
        self._piece = bytearray(PIECE_BYTES)
        return self._piece

    def buffer_updated(self, size: int) -> None:
        """Have the piece read, at once or in the connection's turn."""
        piece, self._piece = self._piece, bytearray()
        self._messages = self._reader.feed(memoryview(piece)[:size])
        self._unpaid += size
        self._share.ask(self)

    def read(self, most: int) -> tuple[int, bool]:
        """Hand on complete messages, about *most* of them; close the connection at the first violation."""
        cost = 0
        while cost < most and not self._is_closed:
            if self._is_paused:
                self._is_stalled = True
                return cost, False
            if self._steps is None:
                messages, spent = self._next_messages(most - cost)
                cost += spent
                if not messages:
                    self._release()
                    return cost, False
                self._steps = self._receive(self._channel, messages)
            cost += self._take_step(self._steps)
        return cost, not self._is_closed

    def _take_step(self, steps: Steps[int]) -> int:
        """Take one step of the receiver; what it cost."""
        try:
            return next(steps)
        except StopIteration as end:
            self._steps = None
            return int(end.value)

    def _next_messages(self, most: int) -> tuple[list[list[bytes]], int]:
        """Messages that cost about *most*, and what they cost."""
        messages: list[list[bytes]] = []
        cost, frames = self._unpaid, self._reader.frames
        self._unpaid = 0
        try:
            for message in self._messages:
                messages.append(message)
                cost += MESSAGE_COST + min(sum(map(len, message)), STEP_BYTES)
                if cost >= most:
                    break
        except Violation as violation:  # the messages before it are handed on
            self._has_exceeded = isinstance(violation, MessageTooLarge)
            self._abort()
        self._shake_hands()
        return messages, cost + FRAME_COST * (self._reader.frames - frames)

    def _shake_hands(self) -> None:
        if not self._has_introduced and self._reader.is_greeted:
            self._has_introduced = True
            self._write(encode_ready(SOCKET_TYPES[self._channel], self._identity))
        if self._reader.is_ready:
            self.ready.set()
        if self._unsent and self._reader.is_ready:
            unsent, self._unsent = self._unsent, []
            self._write(b"".join(unsent))

    def hold(self) -> None:
        """Receive nothing for now: what is here waits to be read."""
        self._is_held = True
        self._switch_receiving()

    def _release(self) -> None:
        """All that had come is read: receive again, or report the loss."""
        if self._is_lost:
            self._tell_loss()
        elif self._is_held:
            self._is_held = False
            self._switch_receiving()

    def connection_lost(self, error: Exception | None) -> None:
        """Asyncio: the connection is gone, and all that came was received."""
        self._transport = None
        self._is_lost = True
        self.ready.set()
        self.can_write.set()
        if not self._is_held:
            self._tell_loss()

    def _tell_loss(self) -> None:
        self._reader.drop()  # at once, not at the next garbage collection: a kernel decides how much it is
        if not self._is_closed:
            self._lose(self._channel, self._has_exceeded)

    def send(self, frames: list[bytes]) -> None:
        """Send now, or as soon as the peer is ready."""
        data = encode_message(frames)
        if self._is_closed:
            return
        if self._reader.is_ready:
            self._write(data)
        else:
            self._unsent.append(data)

    def set_paused(self, *, is_paused: bool) -> None:
        """Stop or go on handing on what comes; a connection that is still being made is not stopped."""
        self._is_paused = is_paused and self._transport is not None
        self._switch_receiving()
        if self._is_stalled and not is_paused:
            self._is_stalled = False
            self._share.ask(self)

    def _switch_receiving(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._is_paused or self._is_held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection, and report nothing from now on."""
        self._is_closed = True
        self.ready.set()
        self.can_write.set()
        self._unsent.clear()
        self._messages, self._steps = iter(()), None
        self._reader.drop()
        self._abort()

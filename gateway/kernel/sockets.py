"""The gateway's ends of one kernel's sockets: bounded, read as soon as something comes, watched for their loss."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import zmq
from jupyter_client.connect import channel_socket_types

from gateway.core.validate import Channel
from gateway.kernel.launcher import Endpoint

CHANNELS: Final[tuple[Channel, ...]] = ("iopub", "shell", "control")
"""No stdin: runs never ask for input. iopub first, so that output is read before the reply it came before."""
WATCHED: Final[tuple[Channel, ...]] = ("iopub", "shell")

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
MAX_WAITING_MESSAGES = 256
NO_RECONNECT_MS = 24 * 3600 * 1000
BATCH_MESSAGES = 128
BATCH_BYTES = 1024 * 1024
"""What is read at one go before other kernels get their turn."""

Address = Callable[[Endpoint, Channel], str]
Receive = Callable[[Channel, list[list[bytes]]], None]
Lose = Callable[[Channel], None]


def ipc_address(endpoint: Endpoint, channel: Channel) -> str:
    """Where our own kernels listen."""
    return f"ipc://{endpoint.directory}/{channel}"


def new_context() -> zmq.Context[zmq.Socket[bytes]]:
    """A context that can hold the sockets of thousands of kernels (the default stops at 1023)."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, context.get(zmq.SOCKET_LIMIT))
    context.set(zmq.BLOCKY, 0)
    return context


class KernelSockets:
    """Connected sockets of one kernel.

    libzmq reports readiness through an edge-triggered descriptor, and only to a reader that has found nothing before:
    each socket is read once at the start, every wake reads until nothing is left, and every send looks again.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: Endpoint,
        receive: Receive,
        lose: Lose,
        *,
        address: Address = ipc_address,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._receive = receive
        self._lose = lose
        self._sockets: dict[Channel, zmq.Socket[bytes]] = {}
        self._monitors: dict[Channel, zmq.Socket[bytes]] = {}
        self.is_closed = False
        try:
            for channel in CHANNELS:
                self._open(context, channel, address(endpoint, channel), max_message_bytes)
        except BaseException:
            self.close()
            raise

    def _open(self, context: zmq.Context[zmq.Socket[bytes]], channel: Channel, url: str, max_message_bytes: int) -> None:
        sock = context.socket(channel_socket_types[channel])
        self._sockets[channel] = sock
        sock.set(zmq.LINGER, 0)
        sock.set(zmq.MAXMSGSIZE, max_message_bytes)
        sock.set(zmq.RCVHWM, MAX_WAITING_MESSAGES)
        # A lost connection means a dead kernel or a message over the limit; neither gets a second chance. Turning
        # reconnection off altogether (-1) would make libzmq drop what has arrived and is not read yet.
        sock.set(zmq.RECONNECT_IVL, NO_RECONNECT_MS)
        if channel == "iopub":
            sock.set(zmq.SUBSCRIBE, b"")
        if channel in WATCHED:
            monitor = sock.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            self._monitors[channel] = monitor
            self._loop.add_reader(monitor, self._check_monitor, channel)
            self._loop.call_soon(self._check_monitor, channel)
        self._loop.add_reader(sock, self._drain, channel)
        sock.connect(url)
        self._loop.call_soon(self._drain, channel)

    def send(self, channel: Channel, frames: list[bytes]) -> None:
        """Send one message; dropped when the kernel takes none any more (the run then ends at its deadline)."""
        if self.is_closed:
            return
        try:
            self._sockets[channel].send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return
        self._loop.call_soon(self._drain, channel)

    def drain(self) -> None:
        """Read what has arrived on all channels, now, whatever its size."""
        for channel in CHANNELS:
            while not self.is_closed and self._read_batch(channel):
                pass

    def _drain(self, channel: Channel) -> None:
        if not self.is_closed and self._read_batch(channel):
            self._loop.call_soon(self._drain, channel)

    def _read_batch(self, channel: Channel) -> bool:
        """Read and pass on a bounded number of messages; whether there may be more."""
        messages: list[list[bytes]] = []
        left_bytes = BATCH_BYTES
        sock = self._sockets[channel]
        while len(messages) < BATCH_MESSAGES and left_bytes > 0:
            try:
                frames = sock.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            messages.append(frames)
            left_bytes -= sum(map(len, frames))
        else:
            self._receive(channel, messages)
            return True
        if messages:
            self._receive(channel, messages)
        return False

    def _check_monitor(self, channel: Channel) -> None:
        monitor = self._monitors.get(channel)
        while monitor is not None and not self.is_closed:
            try:
                monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._lose(channel)

    def close(self) -> None:
        """Let go of all sockets. Safe to call again."""
        if self.is_closed:
            return
        self.is_closed = True
        self._forget(self._monitors.values())
        for channel in self._monitors:
            self._sockets[channel].disable_monitor()
        self._forget(self._sockets.values())
        for sock in (*self._monitors.values(), *self._sockets.values()):
            sock.close(0)

    def _forget(self, sockets: Iterable[zmq.Socket[bytes]]) -> None:
        for sock in sockets:
            if not sock.closed:
                self._loop.remove_reader(sock)

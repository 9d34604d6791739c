"""The WebSocket of the Jupyter API: one client of one kernel."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
import uuid
from collections import deque
from collections.abc import Sequence
from typing import Any

import structlog
from tornado.iostream import StreamClosedError

from gateway.core.errors import GatewayError
from gateway.core.jupyter import Malformed, Relayed
from gateway.service.jupyter.kernel import JupyterKernel
from gateway.web.edge import header_rules
from gateway.web.edge.websocket import Socket
from gateway.web.edge.websocket_frames import POLICY
from gateway.web.jupyter import wire
from gateway.web.jupyter.endpoint import failure_body, find_token

TOKEN_PROTOCOL = "v1.token.websocket.jupyter.org."
"""The prefix of the subprotocol in which newer Jupyter clients offer the token."""
SYSTEM_BYTES = 1024 * 1024
"""The send buffer of one client in Linux, which doubles it. With BEHIND_BYTES it fits what is kept for a reconnect."""
MAX_MALFORMED = 20
NEVER = 2**62
ACKNOWLEDGE_S = 0.25
"""How long a client's system may take to acknowledge what it received (Linux: 40 ms, others 200)."""
LOOK_S, RARELY_S = 0.02, 1.0
"""Intervals at which the gateway checks what a client has received, doubled each time: Linux reports no acknowledgement."""
LAST_S = 2.0
"""How long earlier messages may take to reach the client before the connection is closed."""
MAX_SESSION_CHARS = 256


class KernelChannels(Socket):
    """All channels of a kernel on one WebSocket."""

    takes_query_token = True
    protocols = (wire.V1,)
    token_protocols = (*Socket.token_protocols, TOKEN_PROTOCOL)
    _kernel: JupyterKernel
    _protocol: str | None = None
    _malformed = 0
    _awaits_room = False
    _look: asyncio.TimerHandle | None = None
    _ending: tuple[int, str] | None = None

    async def on_check(self) -> None:
        self._kernel = self.services.jupyter.find(self.parts["kernel_id"], self.caller)
        self._outbox = self._kernel.audience.make_outbox()
        self._ends: deque[int] = deque()
        self._taken_bytes = 0
        self._listener_id = uuid.uuid4().hex
        self._session_id = next(iter(self.get_query_arguments("session_id")), "")[:MAX_SESSION_CHARS]

    async def on_start(self) -> None:
        self._protocol = self.selected_subprotocol  # Tornado forgets it while the connection closes
        self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SYSTEM_BYTES)
        self._close_stream = self._stream.close
        self._stream.close = self._note_close  # type: ignore[method-assign]  # Tornado's own callback comes when the socket is closed already
        replaced = self._kernel.audience.take_over(self._session_id)
        if replaced:
            await asyncio.sleep(ACKNOWLEDGE_S)
            self._kernel.audience.settle(replaced)
        if self._is_open:
            self._kernel.connect(self)

    def on_end(self) -> None:
        self._stop_looking()
        self._kernel.audience.disconnect(self)

    def _find_token(self) -> str:
        headers = self.request.headers.get_list("Authorization")
        path, queries = self.parts.get(header_rules.PATH_TOKEN), self.get_query_arguments("token")
        if path or headers:
            return find_token(headers, queries, path)
        return super()._find_token()

    def _failure_body(self, error: GatewayError) -> bytes:
        return failure_body(error)

    # ---- from the client --------------------------------------------------------------------------------------------

    async def on_message(self, message: str | bytes) -> None:
        try:
            asked = wire.decode(message, self._protocol)
        except Malformed as error:
            self._refuse(str(error))
            return
        if asked.head.msg_type == "execute_request":
            try:
                self.admit()
            except GatewayError as error:
                self.end(POLICY, error.message)
                return
        self._kernel.send(asked, self)
        # The next message of this client is read once the kernel has room for it.
        await self._kernel.audience.writable(asked.channel)

    def _refuse(self, reason: str) -> None:
        """Ignore a malformed message, as Jupyter does. A client that sends too many is disconnected."""
        self._malformed += 1
        structlog.get_logger("omega.jupyter").info("malformed message from a client", reason=reason, run_id=self.run_id)
        if self._malformed >= MAX_MALFORMED:
            self.end(POLICY, f"malformed message: {reason}")

    # ---- to the client; see service.jupyter.listener -----------------------------------------------------------------

    @property
    def listener_id(self) -> str:
        return self._listener_id

    @property
    def session_id(self) -> str:
        return self._session_id

    @property
    def taken_bytes(self) -> int:
        self._note_arrivals()
        return self._taken_bytes

    @property
    def is_served(self) -> bool:
        self._note_arrivals()
        return not self._outbox

    def deliver(self, messages: Sequence[Relayed]) -> None:
        self._outbox.add(messages)
        self._write_on()
        self._note_arrivals()

    def take_back(self) -> Sequence[Relayed]:
        self._note_arrivals()
        self._ends.clear()
        return self._outbox.take_back()

    def end(self, code: int, reason: str) -> None:
        if self._outbox.has_unwritten and self._ending is None:
            asyncio.get_running_loop().call_later(LAST_S, super().end, code, reason)
            self._ending = code, reason
        elif self._ending is None:
            super().end(code, reason)

    def _write_on(self) -> None:
        """Write what waits until the socket buffer is full; the rest stays in the outbox that all clients share."""
        while self._outbox.has_unwritten and not self._stream.closed() and not self._stream.writing():
            frames = self.frames
            if frames is None:
                return  # no message may follow the close frame
            message, pieces = self._outbox.write_next(self._protocol, wire.encode)
            try:
                frames.write_pieces(pieces, is_binary=wire.is_binary(message, self._protocol))
            except StreamClosedError:
                self._ends.append(NEVER)
                return
            self._ends.append(self._stream._total_write_index)
        self._await_room()
        if self._ending is not None and not self._outbox.has_unwritten:
            super().end(*self._ending)

    def _await_room(self) -> None:
        """Go on once the stream has written everything, pings included."""
        if self._stream.writing() and not self._stream.closed() and not self._awaits_room:
            self._awaits_room = True
            self._stream.write(b"").add_done_callback(self._go_on)

    def _go_on(self, written: asyncio.Future[None]) -> None:
        """The socket buffer has room again."""
        self._awaits_room = False
        if written.cancelled() or written.exception() is not None:
            return
        self._write_on()
        self._note_arrivals()
        self._kernel.audience.balance()

    def _note_close(self, exc_info: Any = False) -> None:
        self._note_arrivals()
        self._close_stream(exc_info)

    def _note_arrivals(self) -> None:
        """Drop the messages that the client's system has acknowledged: a client that vanished acknowledges nothing.

        Messages end at byte positions of the stream; Linux says how many of the bytes written are not acknowledged yet.
        """
        if not self._ends or self._stream.closed():
            return
        (waiting,) = struct.unpack("i", fcntl.ioctl(self._stream.fileno(), termios.TIOCOUTQ, bytes(4)))  # SIOCOUTQ
        self._taken_bytes = self._stream._total_write_done_index - waiting
        arrived = 0
        while self._ends and self._ends[0] <= self._taken_bytes:
            self._ends.popleft()
            arrived += 1
        self._outbox.note_arrival(arrived)
        if self._ends and self._look is None and not self._stream.writing():
            self._look_again(LOOK_S)

    def _look_again(self, delay_s: float) -> None:
        self._look = asyncio.get_running_loop().call_later(delay_s, self._look_now, delay_s)

    def _look_now(self, delay_s: float) -> None:
        """Check what has arrived, so that a message is dropped soon after, although nothing more is written."""
        self._note_arrivals()
        self._look = None
        if self._ends and not self._stream.writing():
            self._look_again(min(2 * delay_s, RARELY_S))
        self._kernel.audience.balance()

    def _stop_looking(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

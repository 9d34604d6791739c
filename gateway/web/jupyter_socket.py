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
from functools import partial
from typing import Any

import structlog
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from gateway.core.errors import GatewayError
from gateway.core.jupyter import Malformed, Relayed
from gateway.service.jupyter_kernel import JupyterKernel
from gateway.web import guard, jupyter_wire
from gateway.web.frames import POLICY
from gateway.web.jupyter import failure_body, find_token
from gateway.web.socket import Socket

TOKEN_PROTOCOL = "v1.token.websocket.jupyter.org."
"""How newer Jupyter clients offer the token as a subprotocol."""
BEHIND_BYTES, CAUGHT_UP_BYTES = 4 * 1024 * 1024, 1024 * 1024
"""With so much unsent to one client the kernel is not read, until so little is left."""
SYSTEM_BYTES = 1024 * 1024
"""What the system may hold for one client (Linux: twice that). With BEHIND_BYTES it fits what is kept for a return."""
STALLED_S = 60.0
"""A client that is behind and takes in nothing for so long is dropped; what it missed is kept for its return."""
MAX_MALFORMED = 20
NEVER = 2**62
ACKNOWLEDGE_S = 0.25
"""How long a system may take to acknowledge what its client has taken in (Linux: 40 ms, others 200)."""
MAX_SESSION_CHARS = 256


class KernelChannels(Socket):
    """All channels of a kernel, as Jupyter clients open them."""

    takes_query_token = True
    protocols = (jupyter_wire.V1,)
    token_protocols = (*Socket.token_protocols, TOKEN_PROTOCOL)
    _kernel: JupyterKernel
    _protocol: str | None = None
    _is_behind = False
    _malformed = 0
    _sent_bytes = 0
    _stalled: asyncio.TimerHandle | None = None

    async def on_check(self) -> None:
        self._kernel = self.services.jupyter.find(self.parts["kernel_id"], self.caller)
        self._unacknowledged: deque[tuple[int, Relayed]] = deque()
        self._acknowledged = 0
        self._listener_id = uuid.uuid4().hex
        self._session_id = next(iter(self.get_query_arguments("session_id")), "")[:MAX_SESSION_CHARS]

    async def on_start(self) -> None:
        self._protocol = self.selected_subprotocol  # Tornado forgets it when the connection is being closed
        self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SYSTEM_BYTES)
        self._close_stream = self._stream.close
        self._stream.close = self._note_close  # type: ignore[method-assign]  # Tornado tells when it is too late to ask
        replaced = self._kernel.take_over(self._session_id)
        if replaced:
            await asyncio.sleep(ACKNOWLEDGE_S)
            self._kernel.settle(replaced)
        if self._is_open:
            self._kernel.connect(self)

    def on_end(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
        self._kernel.disconnect(self)

    def _find_token(self) -> str:
        headers = self.request.headers.get_list("Authorization")
        path, queries = self.parts.get(guard.PATH_TOKEN), self.get_query_arguments("token")
        if path or headers:
            return find_token(headers, queries, path)
        return super()._find_token()

    def _failure_body(self, error: GatewayError) -> bytes:
        return failure_body(error)

    # ---- from the client --------------------------------------------------------------------------------------------

    async def on_message(self, message: str | bytes) -> None:
        try:
            asked = jupyter_wire.decode(message, self._protocol)
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
        # The next message of this client is read when the kernel has room for it.
        await self._kernel.writable(asked.channel)

    def _refuse(self, reason: str) -> None:
        """A message that is none is left out, as Jupyter does; a client that sends nothing else is told to go."""
        self._malformed += 1
        structlog.get_logger("omega.jupyter").info("malformed message from a client", reason=reason, run_id=self.run_id)
        if self._malformed >= MAX_MALFORMED:
            self.end(POLICY, f"malformed message: {reason}")

    # ---- to the client; see service.jupyter_listener.Listener --------------------------------------------------------

    @property
    def listener_id(self) -> str:
        return self._listener_id

    @property
    def session_id(self) -> str:
        return self._session_id

    @property
    def is_behind(self) -> bool:
        return self._is_behind

    def deliver(self, messages: Sequence[Relayed]) -> None:
        for message in messages:
            data = jupyter_wire.encode(message, self._protocol)
            is_binary = self._protocol == jupyter_wire.V1 or bool(message.buffers)
            try:
                written = asyncio.ensure_future(self.write_message(data, is_binary))
            except WebSocketClosedError:
                self._unacknowledged.append((NEVER, message))
                self._unsent_bytes += len(data)
                continue
            self._unacknowledged.append((self._stream._total_write_index, message))
            self._unsent_bytes += len(data)
            written.add_done_callback(partial(self._note_written, len(data)))
        self._note_acknowledged()
        if self._unsent_bytes > BEHIND_BYTES and not self._is_behind:
            self._is_behind = True
            self._stalled = asyncio.get_running_loop().call_later(STALLED_S, self._check_progress, self._sent_bytes)

    def _note_written(self, size: int, done: asyncio.Future[None]) -> None:
        self._unsent_bytes -= size
        if done.cancelled() or isinstance(done.exception(), (WebSocketClosedError, StreamClosedError)):
            return
        self._sent_bytes += size
        if self._is_behind and self._unsent_bytes < CAUGHT_UP_BYTES:
            self._is_behind = False
            if self._stalled is not None:
                self._stalled.cancel()
            self._kernel.balance()

    def _check_progress(self, sent_bytes: int) -> None:
        if self._sent_bytes == sent_bytes:
            self.drop()
        else:
            self._stalled = asyncio.get_running_loop().call_later(STALLED_S, self._check_progress, self._sent_bytes)

    def undelivered(self) -> Sequence[Relayed]:
        self._note_acknowledged()
        return [message for _end, message in self._unacknowledged]

    def _note_close(self, exc_info: Any = False) -> None:
        self._note_acknowledged()
        self._close_stream(exc_info)

    def _note_acknowledged(self) -> None:
        """Forget what the client's system has taken in: a client that vanished without a word takes in nothing.

        Counted in bytes of the stream; the system tells how many of those it was given are not acknowledged.
        """
        if not self._stream.closed():
            (waiting,) = struct.unpack("i", fcntl.ioctl(self._stream.fileno(), termios.TIOCOUTQ, bytes(4)))  # SIOCOUTQ
            self._acknowledged = self._stream._total_write_done_index - waiting
        while self._unacknowledged and self._unacknowledged[0][0] <= self._acknowledged:
            self._unacknowledged.popleft()

"""A WebSocket client that costs little: blocking, text messages only, as much of RFC 6455 as the benchmark needs."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from typing import Any

from tests.live import Gateway

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
WAIT_S = 60.0


class WebSocket:
    """A connection to *path* of *gateway*, with its token."""

    def __init__(self, gateway: Gateway, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{gateway.port}",
            f"Authorization: Bearer {gateway.token}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        ]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        status = self._file.readline()
        while self._file.readline().strip():
            pass
        if b" 101 " not in status:
            raise RuntimeError(f"{path} answered {status!r}")

    def send(self, message: object) -> None:
        """Send *message* as JSON."""
        self._send(TEXT, json.dumps(message).encode())

    def receive(self) -> Any:
        """The next message, decoded; RuntimeError when the gateway closes."""
        while True:
            kind, data = self._receive()
            if kind == TEXT:
                return json.loads(data)
            if kind == CLOSE:
                raise RuntimeError(f"the gateway closed the WebSocket: {data[2:]!r}")
            if kind == PING:
                self._send(PONG, data)

    def close(self) -> None:
        """Say goodbye and close."""
        self._send(CLOSE, struct.pack("!H", 1000))
        self._file.close()
        self._socket.close()

    def _send(self, kind: int, data: bytes) -> None:
        size = len(data)
        head = bytes((0x80 | kind, 0x80 | size)) if size < 126 else struct.pack("!BBH", 0x80 | kind, 0xFE, size)
        # A mask of zeros is a mask: nothing between us and the gateway reads along.
        self._socket.sendall(head + bytes(4) + data)

    def _receive(self) -> tuple[int, bytes]:
        first, size = self._file.read(2)
        if size == 126:
            (size,) = struct.unpack("!H", self._file.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._file.read(8))
        return first & 0x0F, self._file.read(size)

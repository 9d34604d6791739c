"""Clients that ask and never read, with as little room in their system as it gives."""

from __future__ import annotations

import base64
import os
import socket

from tests.live import Gateway


def open_silent(gateway: Gateway, path: str, protocol: str | None = None) -> socket.socket:
    """A WebSocket that has asked to be opened and reads nothing of what comes."""
    asking = socket.socket()
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    asking.connect(("127.0.0.1", gateway.port))
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{gateway.port}",
        f"Authorization: Bearer {gateway.token}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *([f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []),
    ]
    asking.sendall("\r\n".join((*lines, "", "")).encode())
    return asking

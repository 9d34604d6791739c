"""Corpus 8.8, watching a session: however many watchers do not read, they cost the gateway little, and nobody else."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket

from tests.live import HANG_S, Gateway
from tests.promises.http import Knock
from tests.promises.invariants import memory_bytes
from tests.promises.sessions import SESSIONS, create

WATCHERS, MESSAGES = 40, 5000
PICTURES, PICTURE_BYTES = 8, 1_000_000
HELD_BYTES = 150_000_000
"""Far more than one run may show, and far less than a copy of it for each watcher."""
FLOOD = f"for i in range({PICTURES}):\n    display({{'image/png': 'A' * {PICTURE_BYTES}}}, raw=True)\nprint('x' * 500_000)"


def silent(gateway: Gateway, path: str, *lines: str) -> socket.socket:
    """A connection that asks for *path* and has read the head of the answer; it reads no more."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.settimeout(HANG_S)
    one.connect(("127.0.0.1", gateway.port))
    head = (f"GET {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {gateway.token}", *lines, "", "")
    one.sendall("\r\n".join(head).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += one.recv(1)
    assert answer.split()[1] in (b"200", b"101"), answer
    return one


def _socket(gateway: Gateway, path: str) -> socket.socket:
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")
    return silent(gateway, path, *upgrade)


def _say(one: socket.socket, **message: object) -> None:
    """Send a message of less than 126 bytes."""
    data = json.dumps(message).encode()
    one.sendall(bytes((0x81, 0x80 | len(data), 0, 0, 0, 0)) + data)


def _holds_nothing_for_the_deaf(gateway: Gateway) -> None:
    """A run that shows megabytes ends as without them, and the gateway has its events once."""
    with contextlib.closing(create(gateway)) as session, contextlib.ExitStack() as stack:
        path, before = f"{SESSIONS}/{session.id}", memory_bytes(gateway.pid)
        for _ in range(WATCHERS // 2):
            stack.enter_context(silent(gateway, f"{path}/events"))
            _say(stack.enter_context(_socket(gateway, f"{path}/stream")), type="watch")
        for _ in range(3):
            answer = session.run(FLOOD)
            assert answer["success"] and len(answer["charts"]) == PICTURES, answer["error"]
            assert memory_bytes(gateway.pid) - before < HELD_BYTES


def _bears_many_messages(gateway: Gateway) -> None:
    """Thousands of messages open one watch. Whoever reads no answer is not heard any more, and others are."""
    with contextlib.closing(create(gateway)) as session:
        path = f"{SESSIONS}/{session.id}/stream"
        with contextlib.ExitStack() as stack, contextlib.suppress(BlockingIOError):
            loud = stack.enter_context(_socket(gateway, path))
            loud.setblocking(False)
            for number in range(MESSAGES):
                _say(loud, type="watch", after=number % 3)
        assert session.run("print(1)")["output"] == "1\n"


WATCHING = (
    Knock("H15", _holds_nothing_for_the_deaf, case="watchers that do not read"),
    Knock("H15", _bears_many_messages, case="many watch messages"),
)

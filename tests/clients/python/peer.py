"""A server on loopback that does what a test tells it to, byte by byte."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOCALHOST_PEM = Path(__file__).with_name("localhost.pem")
"""A certificate of localhost and its key, which nobody trusts."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Its document."""
        return json.loads(self.body)


Handler = Callable[[Asked], Iterable[bytes]]


class Left(Exception):
    """A handler raises it to have the connection closed."""


@dataclass(slots=True)
class Peer:
    """Answers each request with the pieces that *handler* gives, and keeps the connection."""

    handler: Handler
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    left: threading.Event = field(default_factory=threading.Event)
    """Set once a client has closed its connection."""
    url: str = ""

    def converse(self, connection: socket.socket) -> None:
        """Serve one connection until its end."""
        try:
            with connection, connection.makefile("rb") as reader:
                while asked := _read(reader):
                    self.asked.append(asked)
                    for piece in self.handler(asked):
                        connection.sendall(piece)
        except (OSError, Left):
            pass
        self.left.set()


def _read(reader: Any) -> Asked | None:
    first = reader.readline().decode().split()
    if not first:
        return None
    headers: dict[str, str] = {}
    while line := reader.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Asked(first[0], first[1], headers, reader.read(int(headers.get("content-length", 0))))


@contextlib.contextmanager
def peer(handler: Handler, *, host: str = "127.0.0.1", tls: bool = False) -> Iterator[Peer]:
    """A peer that runs."""
    served = Peer(handler)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        name = f"[{host}]" if ":" in host else "localhost" if tls else host
        served.url = f"{'https' if tls else 'http'}://{name}:{listener.getsockname()[1]}"
        accepting = threading.Thread(target=_accept, args=(listener, served, _context() if tls else None))
        accepting.start()
        try:
            yield served
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(LOCALHOST_PEM)
    return context


def _accept(listener: socket.socket, served: Peer, tls: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            served.connections += 1
            threading.Thread(target=_serve, args=(connection, served, tls), daemon=True).start()


def _serve(connection: socket.socket, served: Peer, tls: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError):
        served.converse(connection if tls is None else tls.wrap_socket(connection, server_side=True))


def reply(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """A whole reply of known length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def document(value: object, status: str = "200 OK", **headers: str) -> bytes:
    """A whole reply with JSON."""
    return reply(json.dumps(value).encode(), status, **headers)


def chunk(data: bytes) -> bytes:
    """A piece of a reply of unknown length."""
    return b"%x\r\n%s\r\n" % (len(data), data)


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
STREAM_END = b"0\r\n\r\n"


def event(**fields: object) -> bytes:
    """An event of a stream."""
    return chunk(b"event: x\ndata: " + json.dumps(fields).encode() + b"\n\n")

"""HTTP/1.1 as far as a client needs it, without I/O: both transports read and write by it. Pure (RFC 9112)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from omega_client.errors import ConnectionFailed
from omega_client.wire import Head, Request

BODY_BYTES = 256 << 20
"""More than any answer of the gateway has."""


@dataclass(frozen=True)
class Framing:
    """Where the body of a reply ends: after *length* bytes, with its last chunk, or with the connection."""

    length: int | None = None
    is_chunked: bool = False


def write(request: Request, prefix: str, headers: Mapping[str, str]) -> bytes:
    """*request* as it is sent, with *headers*, below the path *prefix*."""
    body = request.body or b""
    sized = {"Content-Length": str(len(body))} if body or request.method in ("POST", "PUT") else {}
    first = f"{request.method} {prefix}{request.path} HTTP/1.1"
    lines = [first, *(f"{name}: {value}" for name, value in {**headers, **sized}.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def read_head(data: bytes) -> Head:
    """The head of a reply, with the empty line that ends it. Raises ConnectionFailed."""
    first, *lines = data.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdigit():
        raise ConnectionFailed(f"The server does not speak HTTP/1.1: {first[:80]!r}")
    headers: dict[str, str] = {"connection": "close"} if version == "HTTP/1.0" else {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return Head(int(rest[:3]), headers)


def framing(method: str, head: Head) -> Framing:
    """How the body of the reply to *method* ends. Raises ConnectionFailed."""
    if method == "HEAD" or head.status in (204, 304):
        return Framing(length=0)
    if head.headers.get("transfer-encoding", "").lower() == "chunked":
        return Framing(is_chunked=True)
    length = head.headers.get("content-length")
    if length is None:
        return Framing()
    if not (length.isascii() and length.isdigit()):
        raise ConnectionFailed(f"The server sent a wrong Content-Length: {length[:40]!r}")
    return Framing(length=int(length))


def chunk_size(line: bytes) -> int:
    """The size in the first line of a chunk. Raises ConnectionFailed."""
    digits = line.split(b";", 1)[0].strip()
    try:
        if not digits.isalnum():
            raise ValueError
        return int(digits, 16)
    except ValueError:
        raise ConnectionFailed(f"The server sent a wrong chunk: {line[:40]!r}") from None


class Whole:
    """The body of a reply, piece by piece. One without an end would take all memory."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Take one more. Raises ConnectionFailed."""
        self._size += len(piece)
        if self._size > BODY_BYTES:
            raise ConnectionFailed(f"The answer has more than {BODY_BYTES:,} bytes.")
        self._pieces.append(piece)

    def data(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)


def stays_open(head: Head, frame: Framing) -> bool:
    """Whether the connection takes another request after this reply."""
    return (frame.is_chunked or frame.length is not None) and head.headers.get("connection", "").lower() != "close"

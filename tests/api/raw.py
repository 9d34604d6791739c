"""Bytes to a gateway and back, without an HTTP client in between, and what every answer has to look like."""

from __future__ import annotations

import contextlib
import errno
import re
import socket
from dataclasses import dataclass

import orjson

from gateway.web.edge.failure import SECURITY_HEADERS

CONTINUE = b"HTTP/1.1 100 (Continue)\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of its error."""
        return str(failure_in(self.body)["code"])


def exchange(port: int, *packets: bytes, half_close: bool = False, timeout_s: float = 10.0) -> bytes:
    """All that comes back until the gateway closes the connection; with *half_close* it learns that no more is sent."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            for packet in packets:
                connection.sendall(packet)
            if half_close:
                _end(connection)
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(65536):
                received += data
    return received


def _end(connection: socket.socket) -> None:
    """Say that no more is sent; the gateway may have closed the connection already."""
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise


def parse(data: bytes) -> list[Answer]:
    """All answers in *data*; AssertionError unless each is whole, has a length and the security headers."""
    answers = []
    while data:
        if data.startswith(CONTINUE):
            data = data.removeprefix(CONTINUE)
            continue
        head, end, rest = data.partition(b"\r\n\r\n")
        assert end, data[:200]
        first, *lines = head.decode("latin-1").split("\r\n")
        assert re.fullmatch(r"HTTP/1\.1 [2-5]\d\d [A-Za-z -]+", first), first
        pairs = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
        headers = dict(pairs)
        assert len(headers) == len(pairs), f"a header twice: {pairs}"
        length = int(headers.get("content-length", "0"))
        assert len(rest) >= length, data[:500]
        answers.append(check(Answer(int(first.split()[1]), headers, rest[:length])))
        data = rest[length:]
    return answers


def check(answer: Answer) -> Answer:
    """*answer*; AssertionError unless it is what all answers are."""
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.get(name.lower()) == value, answer
    assert "server" not in answer.headers
    if answer.status >= 400 and answer.body:
        told = failure_in(answer.body)
        assert told["type"]
        assert told["code"]
    return answer


def failure_in(body: bytes) -> dict[str, str]:
    """The type and the code of the failure in *body*, which has the one form of all, or that of MCP."""
    told = orjson.loads(body)
    if "jsonrpc" in told:
        assert set(told["error"]) == {"code", "message", "data"}
        return dict(told["error"]["data"])
    assert told["success"] is False
    assert set(told["error"]) == {"type", "message", "code", "traceback"}
    assert told["error"]["traceback"] is None
    return dict(told["error"])


def compose(method: str, path: str, token: str | None, *lines: str, body: bytes = b"", host: str = "localhost") -> bytes:
    """One request; *lines* are more headers."""
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    head += [f"Authorization: Bearer {token}"] if token is not None else []
    return "\r\n".join([*head, *lines]).encode("latin-1") + b"\r\n\r\n" + body

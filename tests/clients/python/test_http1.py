"""HTTP/1.1 as values."""

from __future__ import annotations

import pytest

from omega_client import http1
from omega_client.errors import ConnectionFailed
from omega_client.http1 import Framing
from omega_client.wire import Head, Request


def test_a_request_is_written_with_its_length() -> None:
    """Also an empty one that has a body by its method."""
    assert http1.write(Request("GET", "/x"), "/p", {"Host": "h"}) == b"GET /p/x HTTP/1.1\r\nHost: h\r\n\r\n"
    assert http1.write(Request("POST", "/x", b"ab"), "", {}) == b"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"
    assert http1.write(Request("PUT", "/x"), "", {}) == b"PUT /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n"


def test_a_head_is_read() -> None:
    """Names of headers are in small letters; HTTP/1.0 closes its connections."""
    assert http1.read_head(b"HTTP/1.1 200 OK\r\nX-A:  b c \r\nrubbish\r\n\r\n") == Head(200, {"x-a": "b c"})
    assert http1.read_head(b"HTTP/1.0 503\r\n\r\n") == Head(503, {"connection": "close"})


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n", b"\r\n\r\n"])
def test_what_is_no_http_is_refused(data: bytes) -> None:
    """With the beginning of what came."""
    with pytest.raises(ConnectionFailed, match="does not speak"):
        http1.read_head(data)


@pytest.mark.parametrize(
    ("method", "status", "headers", "frame", "stays"),
    [
        ("GET", 200, {"content-length": "5"}, Framing(length=5), True),
        ("GET", 200, {"content-length": "5", "connection": "Close"}, Framing(length=5), False),
        ("GET", 200, {"transfer-encoding": "chunked"}, Framing(is_chunked=True), True),
        ("GET", 200, {}, Framing(), False),
        ("HEAD", 200, {"content-length": "5"}, Framing(length=0), True),
        ("GET", 204, {}, Framing(length=0), True),
    ],
)
def test_it_is_known_where_a_body_ends(
    method: str, status: int, headers: dict[str, str], frame: Framing, stays: bool
) -> None:
    """And whether the connection takes another request."""
    head = Head(status, headers)
    assert http1.framing(method, head) == frame
    assert http1.stays_open(head, frame) is stays


def test_wrong_lengths_are_refused() -> None:
    """Where they would be read as something else, too."""
    for length in ("-1", "x", "1_0", ""):
        with pytest.raises(ConnectionFailed):
            http1.framing("GET", Head(200, {"content-length": length}))
    assert http1.chunk_size(b"1F;name=value\r\n") == 31
    for line in (b"\r\n", b"x\r\n", b"-1\r\n", b"1_0\r\n", b"+1\r\n"):
        with pytest.raises(ConnectionFailed):
            http1.chunk_size(line)

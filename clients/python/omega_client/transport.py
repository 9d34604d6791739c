"""HTTP on plain sockets: connections are kept, and shared by threads. `async_transport` is the same on asyncio."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader

from omega_client import http1
from omega_client.address import Address
from omega_client.errors import ConnectionFailed, TimedOut
from omega_client.wire import Head, Reply, Request, header_lines

PIECE_BYTES = 65536
HEAD_BYTES = 65536


@dataclass(frozen=True)
class Connection:
    """A connection, and its reading end."""

    sock: socket.socket
    reader: BufferedReader

    def is_quiet(self) -> bool:
        """Whether nothing has come while it was idle: its end would have, or what nobody has asked for."""
        self.sock.settimeout(0)
        try:
            self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close it, whatever is under way on it."""
        try:
            self.reader.close()
        finally:
            self.sock.close()


class Transport:
    """Sends requests to one server. Each has a connection to itself, and leaves it to the next."""

    def __init__(
        self,
        address: Address,
        headers: Mapping[str, str],
        *,
        connect_s: float,
        silence_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._address = address
        self._headers = dict(headers)
        self._connect_s = connect_s
        self._silence_s = silence_s
        self._tls = tls or (ssl.create_default_context() if address.is_tls else None)

    def send(self, request: Request) -> Reply:
        """The whole reply. Raises ConnectionFailed."""
        with self.open(request) as (head, pieces):
            whole = http1.Whole()
            for piece in pieces:
                whole.add(piece)
            return Reply(head, whole.data())

    @contextmanager
    def open(self, request: Request) -> Iterator[tuple[Head, Iterator[bytes]]]:
        """The head of the reply, and its body as it comes. Whoever leaves before its end closes the connection."""
        connection, head = self._exchange(request)
        is_kept = False
        try:
            frame = http1.framing(request.method, head)
            body = _Body(connection.reader, frame)
            yield head, body.pieces()
            is_kept = body.is_whole and http1.stays_open(head, frame)
        finally:
            if is_kept:
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.close()

    def send_and_leave(self, request: Request) -> None:
        """Send, and close the connection without waiting for a reply. No error is told: nobody is there to hear it."""
        try:
            connection = self._connect()
        except ConnectionFailed:
            return
        try:
            connection.sock.sendall(self._written(request))
        except OSError:
            pass
        finally:
            connection.close()

    def __del__(self) -> None:
        """Whoever forgets a client leaves no connection behind."""
        self.close()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _exchange(self, request: Request) -> tuple[Connection, Head]:
        """A connection, and the head of the reply on it. A kept one that turns out closed is tried once more."""
        kept = self._take()
        if kept is not None:
            try:
                return kept, self._ask(kept, request)
            except TimedOut:
                raise
            except ConnectionFailed:
                if not request.is_repeatable:
                    raise
        fresh = self._connect()
        return fresh, self._ask(fresh, request)

    def _take(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.is_quiet():
                return connection
            connection.close()

    def _connect(self) -> Connection:
        address = self._address
        with _told(f"No connection to {address.host_header}"):
            sock = socket.create_connection((address.host, address.port), self._connect_s)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    sock = self._tls.wrap_socket(sock, server_hostname=address.host)
            except BaseException:
                sock.close()
                raise
        return Connection(sock, sock.makefile("rb"))

    def _ask(self, connection: Connection, request: Request) -> Head:
        try:
            with _told("No answer"):
                connection.sock.settimeout(self._silence_s + request.work_s)
                connection.sock.sendall(self._written(request))
                while True:
                    head = http1.read_head(_read_head(connection.reader))
                    if head.status >= 200:
                        return head
        except BaseException:
            connection.close()
            raise

    def _written(self, request: Request) -> bytes:
        headers = header_lines(request, {"Host": self._address.host_header, **self._headers})
        return http1.write(request, self._address.prefix, headers)


class _Body:
    """The body of a reply as it comes; *is_whole* once its end was read."""

    def __init__(self, reader: BufferedReader, frame: http1.Framing) -> None:
        self._reader = reader
        self._frame = frame
        self.is_whole = frame.length == 0

    def pieces(self) -> Iterator[bytes]:
        """What is there, not a certain number of bytes. Raises ConnectionFailed."""
        if self._frame.is_chunked:
            while size := http1.chunk_size(self._line()):
                yield from self._exactly(size)
                self._line()
            while self._line().strip():
                pass
        elif self._frame.length is not None:
            yield from self._exactly(self._frame.length)
        else:
            while piece := self._read(PIECE_BYTES):
                yield piece
        self.is_whole = True

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._read(min(size, PIECE_BYTES))
            if not piece:
                raise ConnectionFailed("The answer broke off")
            size -= len(piece)
            yield piece

    def _read(self, most: int) -> bytes:
        with _told("The answer broke off"):
            return self._reader.read1(most)

    def _line(self) -> bytes:
        with _told("The answer broke off"):
            line = self._reader.readline(HEAD_BYTES)
        if not line.endswith(b"\n"):
            raise ConnectionFailed("The answer broke off")
        return line


def _read_head(reader: BufferedReader) -> bytes:
    """The head of a reply with the empty line that ends it."""
    lines = []
    size = 0
    while True:
        line = reader.readline(HEAD_BYTES)
        size += len(line)
        if not line.endswith(b"\n") or size > HEAD_BYTES:
            raise ConnectionFailed(
                "No answer: the connection was closed" if not line else "The head of the answer is too long"
            )
        lines.append(line)
        if line == b"\r\n":
            return b"".join(lines)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn what the system says into what this library raises."""
    try:
        yield
    except (socket.timeout, TimeoutError):
        raise TimedOut(f"{what}: timed out") from None
    except (OSError, ValueError) as error:
        raise ConnectionFailed(f"{what}: {error or type(error).__name__}") from error

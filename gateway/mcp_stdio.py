"""``omega mcp``: the Model Context Protocol on stdin and stdout, for agents that start their servers themselves.

Each line on stdin is a message, which goes to ``/mcp`` of a gateway; what the gateway answers goes to stdout, a line each.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final
from urllib.parse import urlsplit

from gateway.core.errors import CommandFailed
from gateway.core.mcp import FAILED, repeated
from gateway.settings import SettingsError
from kernels.sandbox import sysc


class NoGateway(CommandFailed):
    """No gateway can be started."""


CONNECT_S: Final = 10.0
LOOK_S: Final = 0.1
"""How often a gateway that starts is asked whether it is ready."""
GRACE_S: Final = 2.0
"""How long the next call may take to end once stdin has ended: `echo MESSAGE | omega mcp` is answered."""
MAX_CALLS: Final = 64
"""How many requests may be under way; more wait."""
MAX_WAITING: Final = 1024
"""How many may wait; more are refused."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a gateway is, and the token for it."""

    host: str
    port: int
    is_tls: bool
    path: str
    token: str

    @classmethod
    def of(cls, url: str, token: str) -> Address:
        """The address in *url*, which is that of the gateway; raises SettingsError."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise SettingsError(f"--url is {url!r}: it must be like http://127.0.0.1:8080")
        is_tls = parts.scheme == "https"
        return cls(parts.hostname, port or (443 if is_tls else 80), is_tls, parts.path.rstrip("/") + "/mcp", token)

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is open; raises OSError."""
        kind = http.client.HTTPSConnection if self.is_tls else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=CONNECT_S)
        connection.connect()
        connection.sock.settimeout(None)  # a run takes its time, and tells so if it is asked to
        return connection


@dataclass(slots=True, eq=False)
class Call:
    """A message that waits or is under way. It may be cancelled before its connection is open."""

    message: Any
    sock: socket.socket | None = None
    is_cancelled: bool = False

    @property
    def about(self) -> Any:
        """The id of the request; None for a message that is none."""
        return self.message.get("id") if isinstance(self.message, dict) else None

    def cancel(self) -> None:
        """Close its connection, which cancels in both eras of the protocol."""
        self.is_cancelled = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class Bridge:
    """Takes messages to the gateway at *address* and its answers to *output*."""

    address: Address
    output: IO[str]
    _has_ended: threading.Condition = field(default_factory=threading.Condition)
    """Guards what follows; told of each call that ends."""
    _calls: set[Call] = field(default_factory=set)
    _waiting: deque[Call] = field(default_factory=deque)
    _threads: int = 0
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def run(self, lines: Iterator[str]) -> None:
        """Carry out each of *lines*. Once they end, calls go on while one ends every now and then; the rest is cancelled."""
        for line in lines:
            if line.strip():
                self._take(line)
        with self._has_ended:
            while self._calls and self._has_ended.wait(GRACE_S):
                pass
            for call in self._calls:
                call.cancel()
            self._has_ended.wait_for(lambda: not self._calls)

    def _take(self, line: str) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._say({"jsonrpc": "2.0", "error": {"code": -32700, "message": f"The line is not JSON: {error}"}})
            return
        if isinstance(message, dict) and message.get("method") == "notifications/cancelled":
            self._cancel(message)
        elif not self._begin(call := Call(message)):
            self._fail(call, f"{MAX_WAITING} requests wait already.")

    def _begin(self, call: Call) -> bool:
        """Whether *call* is under way, or waits for one of the others to end: the next line is read meanwhile."""
        with self._has_ended:
            if len(self._waiting) >= MAX_WAITING:
                return False
            self._calls.add(call)
            self._waiting.append(call)
            if self._threads < MAX_CALLS:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True).start()
        return True

    def _work(self) -> None:
        """Carry out calls while any wait."""
        while (call := self._next()) is not None:
            try:
                self._carry_out(call)
            finally:
                with self._has_ended:
                    self._calls.discard(call)
                    self._has_ended.notify_all()

    def _next(self) -> Call | None:
        with self._has_ended:
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
        return None

    def _cancel(self, message: Mapping[str, Any]) -> None:
        params = message.get("params")
        about = json.dumps(params.get("requestId") if isinstance(params, dict) else None)
        with self._has_ended:
            for call in self._calls:
                if call.about is not None and json.dumps(call.about) == about:
                    call.cancel()

    def _carry_out(self, call: Call) -> None:
        try:
            self._exchange(call)
        except (OSError, http.client.HTTPException) as error:
            where = f"{self.address.host}:{self.address.port}"
            text = f"The gateway at {where} did not answer ({error or type(error).__name__}): is it running?"
            self._fail(call, "The request was cancelled." if call.is_cancelled else text)

    def _exchange(self, call: Call) -> None:
        if call.is_cancelled:
            raise ConnectionAbortedError
        connection = self.address.connect()
        with contextlib.closing(connection):
            with self._has_ended:
                call.sock = connection.sock
                if call.is_cancelled:
                    raise ConnectionAbortedError
            try:
                body = json.dumps(call.message).encode()
                connection.request("POST", self.address.path, body, self._headers_for(call.message))
                for text in _texts(connection.getresponse()):
                    self._say(_about(json.loads(text), call.message))
            except (ValueError, RecursionError) as error:
                raise http.client.HTTPException(f"an answer that is no JSON: {error}") from None
            finally:
                with self._has_ended:
                    call.sock = None

    def _headers_for(self, message: Any) -> dict[str, str]:
        """The headers of a POST; a modern message repeats in them what it says of itself."""
        told = {
            "Authorization": f"Bearer {self.address.token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        return {**told, **repeated(message)}

    def _fail(self, call: Call, text: str) -> None:
        """Answer *call* with a failure of this program, if it asks for an answer."""
        if call.about is not None:
            self._say({"jsonrpc": "2.0", "id": call.about, "error": {"code": FAILED, "message": text}})

    def _say(self, message: Any) -> None:
        with self._writing, contextlib.suppress(BrokenPipeError):
            self.output.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")) + "\n")
            self.output.flush()


def _texts(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The JSON texts in an answer: none, one, or one for each event as it comes."""
    if "text/event-stream" not in answer.headers.get("Content-Type", ""):
        body = answer.read()
        if body.strip():
            yield body
        return
    for line in answer:
        if line.startswith(b"data:"):
            yield line[5:]


def _about(answer: Any, message: Any) -> Any:
    """*answer* with the id of *message*, which the gateway does not know when it refuses a request by its headers."""
    if isinstance(answer, dict) and "error" in answer and "id" not in answer and isinstance(message, dict):
        return {**answer, "id": message["id"]} if "id" in message else answer
    return answer


def talk(url: str, token: str) -> None:
    """Carry messages between stdin, stdout and the gateway at *url*, until stdin ends. Raises SettingsError."""
    address = Address.of(url, token)
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]  # it is a file
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    Bridge(address, sys.stdout).run(iter(sys.stdin.readline, ""))


@contextlib.contextmanager
def own_gateway() -> Iterator[tuple[str, str]]:
    """The address and the token of a gateway for this program alone, with the settings in force. Raises NoGateway."""
    port, token = _free_port(), secrets.token_urlsafe(32)
    with tempfile.TemporaryDirectory(prefix="omega-mcp-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--host", "127.0.0.1", "--port", str(port), "--state-dir", folder],
            env={**os.environ, "OMEGA_TOKEN": token},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            preexec_fn=lambda: sysc.set_death_signal(signal.SIGTERM),  # there is no other thread yet
        )
        # The default would end this program at once, and leave the gateway's directory.
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
        try:
            _wait_ready(process, port)
            yield f"http://127.0.0.1:{port}", token
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(process: subprocess.Popen[bytes], port: int) -> None:
    """Return once the gateway answers that it can run code."""
    while process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CONNECT_S)
            with contextlib.closing(connection):
                connection.request("GET", "/code-interpreter/health")
                if connection.getresponse().status == http.client.OK:
                    return
        time.sleep(LOOK_S)
    raise NoGateway(f"the gateway of its own ended with exit code {process.returncode}, see above")

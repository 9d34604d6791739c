"""``omega mcp``: the Model Context Protocol on stdin and stdout, for agents that start their servers themselves.

Each line on stdin is a message, which goes to ``/mcp`` of a gateway; what the gateway answers goes to stdout, a line each.
"""

from __future__ import annotations

import base64
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final
from urllib.parse import urlsplit

from gateway.core.errors import CommandFailed
from gateway.settings import SettingsError
from kernels.sandbox import sysc


class NoGateway(CommandFailed):
    """No gateway can be started."""


FAILED: Final = 1000
"""The code of errors that are this program's own."""
NAMED_BY: Final[Mapping[str, str]] = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
CONNECT_S: Final = 10.0
LOOK_S: Final = 0.1
"""How often a gateway that starts is asked whether it is ready."""
GRACE_S: Final = 2.0
"""How long calls under way may take to end once stdin has ended: `echo MESSAGE | omega mcp` is answered."""
MAX_CALLS: Final = 64
"""How many requests may be under way; more wait."""
_VERSION = "io.modelcontextprotocol/protocolVersion"
_PLAIN: Final = frozenset(map(chr, range(0x21, 0x7F)))


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
    """A message under way, by the JSON of its id. It may be cancelled before its connection is open."""

    key: str
    sock: socket.socket | None = None
    is_cancelled: bool = False

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
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _calls: set[Call] = field(default_factory=set)
    _room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MAX_CALLS))

    def run(self, lines: Iterator[str]) -> None:
        """Carry out each of *lines*; once they end, what is under way has a moment to end and is cancelled then."""
        for line in lines:
            if line.strip():
                self._begin(line)
        deadline = time.monotonic() + GRACE_S
        ended = sum(self._room.acquire(timeout=max(0.0, deadline - time.monotonic())) for _ in range(MAX_CALLS))
        with self._lock:
            for call in self._calls:
                call.cancel()
        for _ in range(MAX_CALLS - ended):
            self._room.acquire()

    def _begin(self, line: str) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._say({"jsonrpc": "2.0", "error": {"code": -32700, "message": f"The line is not JSON: {error}"}})
            return
        if isinstance(message, dict) and message.get("method") == "notifications/cancelled":
            self._cancel(message)
            return
        self._room.acquire()
        call = Call(json.dumps(message.get("id") if isinstance(message, dict) else None))
        with self._lock:
            self._calls.add(call)
        threading.Thread(target=self._carry_out, args=(message, call), daemon=True).start()

    def _cancel(self, message: Mapping[str, Any]) -> None:
        params = message.get("params")
        about = params.get("requestId") if isinstance(params, dict) else None
        with self._lock:
            for call in self._calls:
                if about is not None and call.key == json.dumps(about):
                    call.cancel()

    def _carry_out(self, message: Any, call: Call) -> None:
        about = message.get("id") if isinstance(message, dict) else None
        try:
            self._exchange(message, call)
        except (OSError, http.client.HTTPException) as error:
            if about is not None:
                where = f"{self.address.host}:{self.address.port}"
                text = f"The gateway at {where} did not answer ({error or type(error).__name__}): is it running?"
                self._say({"jsonrpc": "2.0", "id": about, "error": {"code": FAILED, "message": text}})
        finally:
            with self._lock:
                self._calls.discard(call)
            self._room.release()

    def _exchange(self, message: Any, call: Call) -> None:
        connection = self.address.connect()
        with contextlib.closing(connection):
            with self._lock:
                call.sock = connection.sock
                if call.is_cancelled:
                    raise ConnectionAbortedError("the call was cancelled")
            try:
                connection.request("POST", self.address.path, json.dumps(message).encode(), self._headers_for(message))
                answer = connection.getresponse()
                for text in _texts(answer):
                    self._say(_about(json.loads(text), message))
            except (ValueError, RecursionError) as error:
                raise http.client.HTTPException(f"an answer that is no JSON: {error}") from None
            finally:
                with self._lock:
                    call.sock = None

    def _headers_for(self, message: Any) -> dict[str, str]:
        """The headers of a POST; a modern message repeats in them what it says of itself."""
        told = {
            "Authorization": f"Bearer {self.address.token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        params = message.get("params") if isinstance(message, dict) else None
        meta = params.get("_meta") if isinstance(params, dict) else None
        version = meta.get(_VERSION) if isinstance(meta, dict) else None
        if version is None or not isinstance(params, dict):
            return told
        method = str(message.get("method"))
        told |= {"MCP-Protocol-Version": _encoded(str(version)), "Mcp-Method": _encoded(method)}
        name = params.get(NAMED_BY.get(method, ""))
        return {**told, "Mcp-Name": _encoded(name)} if isinstance(name, str) else told

    def _say(self, message: Any) -> None:
        with self._lock, contextlib.suppress(BrokenPipeError):
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


def _encoded(value: str) -> str:
    """*value* as a header has it: text that is not plain ASCII is base64 between markers."""
    if value and set(value) <= _PLAIN and not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'replace')).decode()}?="


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

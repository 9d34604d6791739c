"""The Node process of a kernel: requests and answers over a socket of their own.

The code may forge anything that the process sends, so it is bounded and checked; it affects only that code's run.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAIN = Path(__file__).parent / "js" / "main.cjs"
CHANNEL_FD = 3
READ_BYTES = 256 * 1024
MAX_FRAME_BYTES = 64 * 1024 * 1024
MIB = 1024 * 1024
# What V8 does not count in its old space: young objects, compiled code, the program itself, the Python process.
BESIDE_HEAP_BYTES = 128 * MIB
LEAST_HEAP_BYTES = 32 * MIB
_REPORT = re.compile(r"\n*(<--- Last few GCs --->|FATAL ERROR: |#\n# Fatal |----- Native stack trace -----)")
_HALF = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
OUT_OF_MEMORY = "out of memory"
_ABORTED = (signal.SIGABRT, signal.SIGTRAP, signal.SIGILL)


class Broken(Exception):
    """The process has exited or broken the protocol."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. *kind*: ``o`` or ``e`` (text of a stream), ``d`` (a MIME bundle), ``t`` (a call of a tool),
    ``r`` (the answer), ``h`` (up).
    """

    kind: str
    body: Any


class NodeProcess:
    """One Node process."""

    def __init__(self, pid: int, channel: socket.socket, errors: int) -> None:
        self.pid = pid
        self.errors = Errors(errors)
        self._channel = channel
        self._buffer = bytearray()
        self._unsent = bytearray()
        self._status: int | None = None

    @classmethod
    def start(cls, node: str, memory_bytes: int, environment: Mapping[str, str]) -> NodeProcess:
        """A process that starts in the background; its standard output is this process's."""
        ours, theirs = socket.socketpair()
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        # Options from the caller's environment could keep Node from starting as it must, and so does a system's
        # configuration of OpenSSL that is there and can't be read (level L1).
        kept = {name: value for name, value in environment.items() if not name.startswith("NODE_")}
        kept["OPENSSL_CONF"] = "/dev/null"
        heap_mb = max(LEAST_HEAP_BYTES, memory_bytes - BESIDE_HEAP_BYTES) // MIB
        # --expose-internals: see js/guard.cjs. Without warnings: they would stand in the caller's stderr.
        command = [node, "--expose-internals", "--no-warnings", f"--max-old-space-size={heap_mb}", str(MAIN)]
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, writer, 2),  # first, as its own number may be that of the channel
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), CHANNEL_FD),
        ]
        # A process group of its own: only this kernel sends it interrupts, while code runs.
        pid = os.posix_spawn(node, command, kept, file_actions=actions, setpgroup=0, setsigdef=[signal.SIGINT])
        theirs.close()
        os.close(writer)
        return cls(pid, ours, reader)

    def fileno(self) -> int:
        """The descriptor to watch for frames."""
        return self._channel.fileno()

    def send(self, request: Mapping[str, Any]) -> None:
        """Send one request; raises Broken. Call it only when no request is in progress."""
        self._unsent += _framed(request)
        try:
            self._channel.sendall(self._unsent)
        except OSError:
            raise Broken("Node does not accept requests") from None
        self._unsent.clear()

    def post(self, message: Mapping[str, Any]) -> bool:
        """Send *message* for the request in progress; whether all is sent. Node may read it late, or never: see push()."""
        self._unsent += _framed(message)
        return self.push()

    def push(self) -> bool:
        """Send more of what was posted, and never wait for Node, which may wait for this process; whether all is sent."""
        try:
            while self._unsent:
                del self._unsent[: self._channel.send(self._unsent, socket.MSG_DONTWAIT)]
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self._unsent.clear()  # its end is noticed by whoever reads
        return True

    def frames(self) -> Iterator[Frame]:
        """The frames that have arrived; raises Broken at the end of the stream and for malformed ones."""
        try:
            data = self._channel.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            raise Broken("the connection to Node is lost") from None
        if not data:
            raise Broken("the connection to Node is closed")
        self._buffer += data
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if not 0 < size <= MAX_FRAME_BYTES:
                raise Broken("a frame of Node is too large")
            if len(self._buffer) < 4 + size:
                return
            frame = _parse(bytes(self._buffer[4 : 4 + size]))
            del self._buffer[: 4 + size]
            yield frame

    def interrupt(self) -> None:
        """Interrupt the running code; does nothing if none runs."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill it."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._status is None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def ended(self, *, wait: bool = False) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, 0 if wait else os.WNOHANG)
            except ChildProcessError:
                pid, status = self.pid, 0
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def is_out_of_memory(self) -> bool:
        """Whether V8 ended it because the code took more memory than allowed."""
        status = self.ended()
        return status is not None and -status in _ABORTED and OUT_OF_MEMORY in self.errors.report


class Errors:
    """Node's standard error: text of the code, until V8 reports a fatal error."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.report = ""
        """V8's last report: it has addresses and paths of this machine, so clients don't get it."""

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._descriptor

    def read(self) -> str:
        """The text of the code that has arrived."""
        text = self._read()
        if self.report:
            self.report = (self.report + text)[-READ_BYTES:]
            return ""
        found = _REPORT.search(text)
        if found is None:
            return text
        self.report = text[found.start() :]
        return text[: found.start()]

    def _read(self) -> str:
        parts = []
        while True:
            try:
                data = os.read(self._descriptor, READ_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            if not data:
                break
            parts.append(data)
            if len(data) < READ_BYTES:
                break
        return b"".join(parts).decode("utf-8", "replace")


def _framed(message: Mapping[str, Any]) -> bytes:
    data = json.dumps(message).encode("utf-8", "surrogatepass")
    return len(data).to_bytes(4, "big") + data


def _parse(data: bytes) -> Frame:
    kind, text = chr(data[0]), data[1:].decode("utf-8", "replace")
    if kind in ("o", "e"):
        return Frame(kind, text)
    try:
        body = json.loads(text)
        if _ESCAPED_HALF.search(text):
            body = _whole(body)
    except (ValueError, RecursionError):
        raise Broken("a frame of Node is not JSON") from None
    if kind not in ("d", "r", "h", "t") or not isinstance(body, dict):
        raise Broken("a frame of Node has an unknown kind")
    return Frame(kind, body)


def _whole(body: Any) -> Any:
    """*body* with U+FFFD for lone surrogates, which JavaScript strings may have and Jupyter messages can't."""
    return json.loads(_HALF.sub("\ufffd", json.dumps(body, ensure_ascii=False)))

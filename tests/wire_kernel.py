"""A kernel that answers runs with bytes made beforehand, as fast as its sockets take them, from a thread of its own.

So what the event loop spends on reading it can be told from what making it costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from hmac import digest
from typing import Any

import orjson

from gateway.core.model import Death
from gateway.kernel.launch.launcher import ConnectionInfo
from gateway.kernel.wire.zmtp import GREETING, Reader, encode_message, encode_ready
from kernels.contract import CHANNELS
from tests.fakes import KILLED, short_directory

DELIM = b"<IDS|MSG>"
Say = Callable[["Voice"], Iterable[bytes]]
"""What a run says on iopub between busy and the end, as bytes on the wire."""


class Voice:
    """Makes messages of one run, signed as the kernel would."""

    def __init__(self, key: bytes, parent: bytes) -> None:
        self._key, self._parent = key, parent

    def message(self, kind: str, content: bytes, metadata: bytes = b"{}", buffers: Iterable[bytes] = ()) -> bytes:
        """One message that answers the run."""
        parts = [orjson.dumps({"msg_type": kind, "msg_id": "m"}), self._parent, metadata, content]
        signature = digest(self._key, b"".join(parts), sha256).hex().encode()
        return encode_message([DELIM, signature, *parts, *buffers])

    def state(self, state: str) -> bytes:
        """A status."""
        return self.message("status", b'{"execution_state":"%s"}' % state.encode())


class WireKernel:
    """A KernelProcess. *say* is asked at each run that is not silent."""

    def __init__(self, say: Say = lambda _voice: ()) -> None:
        self.kernel_id = "wire-" + secrets.token_hex(4)
        self._directory = short_directory()
        self.endpoint = ConnectionInfo(str(self._directory), secrets.token_hex(16))
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._death: asyncio.Future[Death] = self._loop.create_future()
        self._listeners = {name: socket.socket(socket.AF_UNIX) for name in CHANNELS}
        self._lines: dict[str, socket.socket] = {}
        for name, one in self._listeners.items():
            one.bind(str(self._directory / name))
            one.listen(1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            shell, _, _ = (
                self._accept(name, kind) for name, kind in (("shell", "ROUTER"), ("control", "ROUTER"), ("iopub", "XPUB"))
            )
            self._lines["iopub"].sendall(Voice(self.endpoint.key.encode(), b"{}").message("iopub_welcome", b"{}"))
            threading.Thread(target=self._accept_stdin, daemon=True).start()
            line = self._lines["shell"]
            while data := line.recv(65536):
                for frames in shell.feed(data):
                    self._answer(frames[frames.index(DELIM) + 2 :])

    def _accept_stdin(self) -> None:
        """Only clients of the Jupyter API open it."""
        with contextlib.suppress(OSError):
            self._accept("stdin", "ROUTER")

    def _accept(self, name: str, kind: str) -> Reader:
        line, _ = self._listeners[name].accept()
        self._lines[name] = line
        line.sendall(GREETING + encode_ready(kind))
        reader = Reader(2**30)
        while not reader.is_ready:
            list(reader.feed(line.recv(1)))
        return reader

    def _answer(self, parts: list[bytes]) -> None:
        header, content = parts[0], orjson.loads(parts[3])
        voice = Voice(self.endpoint.key.encode(), header)
        iopub = self._lines["iopub"]
        iopub.sendall(voice.state("busy"))
        for data in self._say(voice) if not content["silent"] else ():
            iopub.sendall(data)
        self._lines["shell"].sendall(voice.message("execute_reply", b'{"status":"ok","execution_count":1}'))
        iopub.sendall(voice.state("idle"))

    async def interrupt(self) -> None:
        """It obeys nothing."""

    async def kill(self) -> Death:
        """SIGKILL."""
        self._die()
        return await self.wait()

    def _die(self) -> None:
        if self._death.done():
            return
        self._death.set_result(KILLED)
        for one in (*self._lines.values(), *self._listeners.values()):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    async def wait(self) -> Death:
        """How it died."""
        return await asyncio.shield(self._death)

    async def close(self) -> None:
        """End it, its thread included."""
        self._die()
        await asyncio.to_thread(self._thread.join)


class LoopWatch:
    """How much processor time each callback of the event loop takes, one by one, while it watches."""

    def __init__(self) -> None:
        self.spent_s: list[float] = []

    def __enter__(self) -> LoopWatch:
        self._run = run = asyncio.Handle._run  # type: ignore[attr-defined]  # the loop calls nothing else for a callback
        spent_s = self.spent_s

        def measured(handle: Any) -> None:
            begun = time.thread_time()
            run(handle)
            spent_s.append(time.thread_time() - begun)

        asyncio.Handle._run = measured  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.Handle._run = self._run  # type: ignore[attr-defined]

    @property
    def longest_s(self) -> float:
        """The longest of them."""
        return max(self.spent_s, default=0.0)

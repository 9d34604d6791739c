"""sys.stdout and sys.stderr of a kernel: one ordered record of the output of Python, C code and child processes."""

from __future__ import annotations

import codecs
import ctypes
import fcntl
import functools
import io
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from kernels.serving import attribution
from kernels.serving.interrupts import Interrupts
from kernels.serving.libzmq_thread import Courier
from kernels.serving.texts import cuts

Name = Literal["stdout", "stderr"]
FLUSH_CHARS = 64 * 1024
PIPE_BYTES = 1024 * 1024
READ_BYTES = 64 * 1024
RETRY_S = 0.0002
LOST = "Memory ran out while output was handed on; some of it is lost"
_DESCRIPTORS: tuple[tuple[Name, int], ...] = (("stdout", 1), ("stderr", 2))


class OutputRecord:
    """Collects text of both streams in the order written and sends it in as few messages as possible.

    *emit* gets a stream's name, a text and the parent header; it returns False if the message could not be sent yet.
    """

    def __init__(self, emit: Callable[[Name, str, Any], bool], interrupts: Interrupts) -> None:
        self._emit = emit
        self._interrupts = interrupts
        self._lock = threading.RLock()
        self._chunks: list[tuple[Name, Any, list[str]]] = []
        self._chars = 0
        self._pipes: list[tuple[Name, int, codecs.IncrementalDecoder]] = []
        self._wake: Callable[[], None] = lambda: None
        self._waking = False
        self._has_lost = False
        self._ready: Callable[[], object] = lambda: False
        self._owner = 0
        self._courier = Courier()
        self.parent: Any = {}

    def capture(self, wake: Callable[[], None]) -> list[int]:
        """Turn descriptors 1 and 2 into pipes read here; returns the ends to watch. *wake* schedules a flush."""
        self.own()
        self._wake = wake
        for name, descriptor in _DESCRIPTORS:
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            _enlarge(writer)
            os.dup2(writer, descriptor)
            os.close(writer)
            self._pipes.append((name, reader, codecs.getincrementaldecoder("utf-8")("replace")))
        watch = select.epoll()
        for _name, reader, _decoder in self._pipes:
            watch.register(reader, select.EPOLLIN)
        self._ready = functools.partial(watch.poll, 0)  # half a microsecond: cheap enough for every print
        return [reader for _name, reader, _decoder in self._pipes]

    def own(self) -> None:
        """Collect in this process from now on."""
        self._lock, self._owner, self._courier = threading.RLock(), os.getpid(), Courier()

    def forget(self) -> None:
        """Drop the collected text."""
        self._chunks.clear()
        self._chars, self._waking, self._has_lost, self.parent = 0, False, False, {}

    def is_owner(self) -> bool:
        """Whether this is the kernel's own process and not one that user code forked."""
        return os.getpid() == self._owner

    def write(self, name: Name, text: str) -> None:
        """Add *text*, after anything that child processes wrote before it."""
        # In pieces, so that text up to the gateway's limit arrives, and memory suffices for any amount of text.
        request = attribution.request_here(self.parent)
        if request is not self.parent and attribution.is_run(request):
            return  # a thread or task of a finished run: its output is dropped
        for start in range(0, len(text), FLUSH_CHARS):
            with self._interrupts, self._lock:
                if text != "\n" and self._ready():
                    self._drain()
                self._append(name, text[start : start + FLUSH_CHARS] if len(text) > FLUSH_CHARS else text, request)
            if self._chars > FLUSH_CHARS:
                self.flush()
        if self._has_lost:
            self.own_up()

    def begin(self, parent: Any) -> None:
        """Attribute later output to the request *parent*, but not what processes wrote before."""
        with self._interrupts, self._lock:
            if self._ready():
                self._drain()
            self.parent = parent

    def own_up(self) -> None:
        """Raise MemoryError once if text had to be dropped since the last call."""
        if self._has_lost:
            self._has_lost = False
            raise MemoryError(LOST)

    def _drop(self) -> None:
        """Drop the collected text: without memory it can't be sent, and the kernel must survive."""
        self._chunks.clear()
        self._chars, self._has_lost, cuts.happened = 0, True, True

    def _append(self, name: Name, text: str, parent: Any) -> None:
        last = self._chunks[-1] if self._chunks else None
        if last and last[0] == name and last[1] is parent and len(text) < FLUSH_CHARS:
            last[2].append(text)
        else:
            self._chunks.append((name, parent, [text]))
        self._chars += len(text)
        if not self._waking:
            self._waking = True
            self._wake()

    def _drain(self) -> None:
        try:
            self._read_pipes()
        except MemoryError:
            self._drop()

    def _read_pipes(self) -> None:
        for name, reader, decoder in self._pipes:
            while True:
                try:
                    data = os.read(reader, READ_BYTES)
                except (BlockingIOError, InterruptedError):
                    break
                if not data:
                    break
                text = decoder.decode(data)
                if text:
                    self._append(name, text, self.parent)
                if len(data) < READ_BYTES:
                    break

    def drain(self) -> None:
        """Read what child processes and C code wrote so far."""
        with self._interrupts, self._lock:
            self._drain()
        if self._chars > FLUSH_CHARS:
            self.flush_if_possible()

    def flush(self) -> None:
        """Send everything written so far; waits while the reader is behind."""
        while not self.flush_if_possible():
            time.sleep(RETRY_S)

    def is_waiting(self) -> bool:
        """Whether text waits to be sent."""
        return bool(self._chunks)

    def settle(self) -> None:
        """Wait until what was flushed has left this process, so that a crash on the next line can't take it along."""
        self._courier.wait()

    def flush_if_possible(self) -> bool:
        """Send as much as possible now; returns whether that was all."""
        with self._interrupts, self._lock:
            self._drain()
            try:
                while self._chunks:
                    name, parent, parts = self._chunks[0]
                    if not self._emit(name, "".join(parts), parent):
                        return False
                    del self._chunks[0]
            except MemoryError:
                self._drop()
            self._chars, self._waking = 0, False
        return True

    def finish(self) -> None:
        """Send everything, including what C code still holds in its own buffers."""
        _C_LIBRARY.fflush(None)
        for stream in _ORIGINALS:
            if stream is not None and not stream.closed:
                stream.flush()
        self.flush()


_C_LIBRARY = ctypes.CDLL(None)
_ORIGINALS = (sys.__stdout__, sys.__stderr__)


def _enlarge(pipe: int) -> None:
    # A program that writes much while it holds the interpreter lock must not wait for a reader that needs that lock.
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        return  # over the user's quota for pipes: the default size works, too


class OutputStream(io.TextIOBase):
    """One of the two text streams. In a process forked by user code it writes to the descriptor, a line at a time."""

    def __init__(self, record: OutputRecord, name: Name, descriptor: int) -> None:
        super().__init__()
        self._record = record
        self._descriptor = descriptor
        self._partial = ""
        self.name = name
        self.mode = "w"
        self.buffer = Raw(self)

    encoding = "utf-8"
    errors = "replace"
    line_buffering = True

    def write(self, text: str) -> int:
        """Write *text* and return its length."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._record.is_owner():
            self._record.write(self.name, text)
        else:
            self._write_forked(text)
        return len(text)

    def _write_forked(self, text: str) -> None:
        self._partial += text
        if "\n" in text or len(self._partial) > READ_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what was written so far."""
        if self._record.is_owner():
            if self._record.is_waiting():  # ipykernel flushes several times a request, mostly nothing
                self._record.flush()
                self._record.settle()
        elif self._partial:
            data, self._partial = self._partial.encode("utf-8", "replace"), ""
            while data:
                data = data[os.write(self._descriptor, data) :]

    def fileno(self) -> int:
        """The descriptor child processes write to; it is captured too."""
        return self._descriptor

    def isatty(self) -> bool:
        """Never a terminal."""
        return False

    def writable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Do nothing: the kernel needs its streams as long as it lives."""

    def set_parent(self, parent: Any) -> None:
        """Attribute what follows to the request *parent*."""


class Raw(io.RawIOBase):
    """The binary side of a stream, for ``sys.stdout.buffer.write``."""

    def __init__(self, stream: OutputStream) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: Any) -> int:
        """Write bytes, shown as UTF-8 text."""
        block = bytes(data)
        self._stream.write(self._decoder.decode(block))
        return len(block)

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The same descriptor as the text side."""
        return self._stream.fileno()

    def close(self) -> None:
        """Do nothing, as the text side does."""

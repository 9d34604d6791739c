"""The exchange between a JavaScript kernel and its Node process: one request at a time, and output in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from kernels.node.process import Broken, Frame, NodeProcess

INTERRUPT_AGAIN_S = 0.05
LAST_WORDS_S = 0.5
STREAMS: dict[str, Literal["stdout", "stderr"]] = {"o": "stdout", "e": "stderr"}
OUT_OF_MEMORY = {"failure": {"ename": "MemoryError", "evalue": "", "traceback": ""}, "is_last": True}


class Output(Protocol):
    """Takes the text that the code prints."""

    def write(self, name: Literal["stdout", "stderr"], text: str) -> object:
        """Write some text of one stream."""


@dataclass(frozen=True, slots=True)
class Outlets:
    """Takes what Node sends: text, MIME bundles, calls of the host's tools, and its exit code (negative for a signal)."""

    output: Output
    display: Callable[[Any], None]
    call: Callable[[Any], None]
    end: Callable[[int], None]


class Conversation:
    """The exchange with one Node process, from its start to its end. *loop* is the main thread's."""

    def __init__(self, process: NodeProcess, loop: asyncio.AbstractEventLoop, outlets: Outlets) -> None:
        self._process, self._loop, self._outlets = process, loop, outlets
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._requests = 0
        self._is_up = False  # earlier, an interrupt would kill Node
        self._is_over = False
        self._has_tools = False
        loop.add_reader(process.fileno(), self._take)
        loop.add_reader(process.errors.fileno(), self.take_errors)

    async def ask(self, kind: str, **request: Any) -> dict[str, Any]:
        """Node's answer to one request. If Node dies, the kernel ends, too, so there is always an answer."""
        self._requests += 1
        self._answer = self._loop.create_future()
        self._has_tools = "tools" in request
        try:
            if not self._is_over:
                self._process.send({"id": self._requests, "kind": kind, **request})
            return await self._answer
        except Broken:
            return await self._answer
        finally:
            self._answer = None

    def interrupt(self) -> None:
        """Interrupt the running code; does nothing if none runs."""
        if self._answer is None or self._is_over:
            return
        if self._is_up:
            self._process.interrupt()
            if self._has_tools:  # code that waits for its host reads, where no signal reaches it
                self._post({"kind": "interrupt", "id": self._requests})
        # Repeated until it works: the code may not have begun, or be in a call that cannot be interrupted.
        self._loop.call_later(INTERRUPT_AGAIN_S, self._interrupt_again, self._answer)

    def _interrupt_again(self, answer: asyncio.Future[dict[str, Any]]) -> None:
        if self._answer is answer:
            self.interrupt()

    def hand_over(self, answer: str) -> None:
        """Give the code in progress an *answer* of its host, which is JSON."""
        if self._answer is not None and not self._is_over:
            self._post({"kind": "result", "answer": answer})

    def _post(self, message: dict[str, Any]) -> None:
        if not self._process.post(message):
            self._loop.add_writer(self._process.fileno(), self._push)

    def _push(self) -> None:
        if self._process.push():
            self._loop.remove_writer(self._process.fileno())

    def take_errors(self) -> None:
        """Forward what Node has written to standard error so far."""
        if not self._is_over and (text := self._process.errors.read()):
            self._outlets.output.write("stderr", text)

    def look(self) -> None:
        """A child process exited; if it is Node, the exchange ends."""
        if self._is_over or self._process.ended() is None:
            return
        try:
            for frame in self._process.frames():  # its last output
                self._take_frame(frame)
        except Broken:
            pass
        self._end(self._process.ended() or 0)

    def _take(self) -> None:
        try:
            for frame in self._process.frames():
                self._take_frame(frame)
        except Broken:
            self._process.kill()
            self._end(self._process.ended(wait=True) or 0)

    def _take_frame(self, frame: Frame) -> None:
        match frame.kind:
            case "o" | "e":
                self._outlets.output.write(STREAMS[frame.kind], frame.body)
            case "d":
                self._outlets.display(frame.body)
            case "t":
                self._outlets.call(frame.body)
            case "h":
                self._is_up = True
            case _:
                if frame.body.get("id") == self._requests:
                    self._settle(frame.body)

    def _settle(self, answer: dict[str, Any]) -> bool:
        """Answer the waiting request; False if there is none."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(answer)
        return True

    def _end(self, code: int) -> None:
        """Node exited with *code*. If it ran out of memory, that is the answer, and the kernel ends after sending it."""
        if self._is_over:
            return
        self.take_errors()
        self._is_over = True
        for descriptor in (self._process.fileno(), self._process.errors.fileno()):
            self._loop.remove_reader(descriptor)
        self._loop.remove_writer(self._process.fileno())
        if self._process.is_out_of_memory() and self._settle(dict(OUT_OF_MEMORY)):
            self._loop.call_later(LAST_WORDS_S, self._outlets.end, code)
        else:
            self._outlets.end(code)

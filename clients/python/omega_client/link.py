"""The way to one gateway: sends requests, asks again where that is safe, and reads what comes."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Callable, TypeVar

from omega_client import wire
from omega_client.bringing import bringing
from omega_client.errors import OmegaError
from omega_client.host_tools import Calls, HostTools, calling
from omega_client.results import Run, read_run
from omega_client.retries import pause_s
from omega_client.transport import Transport

S = TypeVar("S")
T = TypeVar("T")
MOST_THREADS = 8


@dataclass(frozen=True)
class Link:
    """What the client and its sessions share. *failure* makes an error of a reply that is no success."""

    transport: Transport
    max_retries: int = 2
    failure: Callable[[wire.Reply], OmegaError] = wire.api_error

    def reply(self, request: wire.Request) -> wire.Reply:
        """The whole reply, which is good. Raises *failure* and ConnectionFailed."""
        return again(lambda: wire.checked(self.transport.send(request), self.failure), self.max_retries)

    def json(self, request: wire.Request) -> Any:
        """The document that is answered. Raises ApiError and ConnectionFailed."""
        return wire.read_json(self.reply(request))

    def read(self, request: wire.Request, find: Callable[[Any], T]) -> T:
        """What *find* finds in the document that is answered. Raises ApiError and ConnectionFailed."""
        document = self.json(request)
        with wire.reading():
            return find(document)

    def data(self, request: wire.Request) -> bytes:
        """The bytes that are answered. Raises ApiError and ConnectionFailed."""
        return self.reply(request).body

    @contextmanager
    def pieces(self, request: wire.Request) -> Iterator[Iterator[bytes]]:
        """The body as it comes. Raises *failure* and ConnectionFailed."""
        with ExitStack() as stack:
            yield again(lambda: self._opened(request, stack), self.max_retries)

    def run(self, request: wire.Request, tools: HostTools) -> Run:
        """The run of *request*, whose calls of *tools* are carried out here. Whatever is raised, it waits for no result."""
        steps = calling(request)
        step, waiting = next(steps), None
        try:
            while True:
                if isinstance(step, Calls):
                    waiting = step
                    step = steps.send(side_by_side(tools.answer, step.calls))
                else:
                    step = self._told(steps, step)
        except StopIteration as end:
            return read_run(end.value)
        except BaseException:
            if waiting is not None:
                self.transport.send_and_leave(waiting.give_up())
            raise

    def bring(self, path: str, results: Sequence[Mapping[str, Any]]) -> None:
        """Bring *results* of tools to *path*. Raises ApiError and ConnectionFailed."""
        steps = bringing(path, results)
        with suppress(StopIteration):
            request = next(steps)
            while True:
                request = self._told(steps, request)

    def _told(self, steps: Generator[S, Any, Any], request: wire.Request) -> S:
        """The next step after the answer to *request*, or after its failure. Raises StopIteration."""
        try:
            answer = self.json(request)
        except OmegaError as error:
            return steps.throw(error)
        return steps.send(answer)

    def _opened(self, request: wire.Request, stack: ExitStack) -> Iterator[bytes]:
        """The body of a reply that is good; *stack* keeps it open. Raises *failure*."""
        with ExitStack() as opening:
            head, pieces = opening.enter_context(self.transport.open(request))
            if not head.is_ok:
                raise self.failure(wire.Reply(head, b"".join(pieces)))
            stack.push(opening.pop_all())
            return pieces


def side_by_side(doing: Callable[[S], T], given: Sequence[S]) -> list[T]:
    """What *doing* gives for each of *given*: for one in this thread, for several in threads of their own."""
    if len(given) < 2:
        return [doing(one) for one in given]
    pool = ThreadPoolExecutor(min(len(given), MOST_THREADS), "omega-tool")
    try:
        begun = [pool.submit(contextvars.copy_context().run, doing, one) for one in given]
        return [one.result() for one in begun]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def again(doing: Callable[[], T], most: int) -> T:
    """What *doing* gives; it is done up to *most* times more, after a while, if what it raises will pass."""
    attempt = 0
    while True:
        try:
            return doing()
        except OmegaError as error:
            pause = pause_s(error, attempt, most)
            if pause is None:
                raise
        time.sleep(pause)
        attempt += 1

"""The calls that the code of one run makes of its client's tools: which wait, and what they may still take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.core.errors import BadRequest, Conflict
from gateway.core.host_tools import CallLimits, HostAnswer, HostCall, HostTool

OVER = "The run waits for no results: it is over, or is being stopped."


class HostLine(Protocol):
    """What a run's calls need of its kernel and its clock."""

    def deliver(self, answer: HostAnswer) -> None:
        """Send *answer* to the kernel."""

    def begin_waiting(self) -> None:
        """The first of some calls waits."""

    def end_waiting(self) -> None:
        """None waits any more."""


class HostCalls:
    """The calls of one run. Code may have forged any of them; each is answered once, by the client or by a limit."""

    def __init__(self, tools: Sequence[HostTool], limits: CallLimits) -> None:
        self.tools: tuple[HostTool, ...] = tuple(tools)
        self.limits = limits
        self.taken = 0
        """How many calls the client was told of."""
        self._names = frozenset(tool.name for tool in tools)
        self._seen: set[str] = set()
        self._waiting: dict[str, HostCall] = {}
        self._left_bytes = limits.total_bytes
        self._line: HostLine | None = None
        self._is_closed = False

    @property
    def waiting(self) -> tuple[HostCall, ...]:
        """The calls without an answer, in the order they came."""
        return tuple(self._waiting.values())

    @property
    def is_closed(self) -> bool:
        """Whether the run is over or is being stopped."""
        return self._is_closed

    def open(self, line: HostLine) -> None:
        """The run is under way on the kernel behind *line*."""
        self._line = line

    def close(self) -> None:
        """The run is over or is being stopped: it makes no more calls, and answers reach nobody."""
        self._line, self._is_closed = None, True
        self._waiting.clear()
        self.tools = ()

    def take(self, call: HostCall) -> HostCall | None:
        """*call* if the client is to be told of it; None if a limit answers it, or it is forged."""
        line = self._line
        if line is None or call.name not in self._names or call.call_id in self._seen:
            return None
        self._seen.add(call.call_id)
        refusal = self._spend(call)
        if refusal:
            line.deliver(HostAnswer.of(call.call_id, error=refusal))
            return None
        self.taken += 1
        self._waiting[call.call_id] = call
        if len(self._waiting) == 1:
            line.begin_waiting()
        return call

    def _spend(self, call: HostCall) -> str:
        """Charge *call*; the reason if the run has no room for it."""
        if self.taken >= self.limits.calls:
            return f"The run has made {self.limits.calls} calls of tools, which is its limit"
        if call.size_bytes > self._left_bytes:
            return self._too_much
        self._left_bytes -= call.size_bytes
        return ""

    @property
    def _too_much(self) -> str:
        return f"The calls of this run have more than {self.limits.total_bytes} bytes, inputs and results together"

    def answer(self, answers: Sequence[HostAnswer]) -> None:
        """Hand *answers* to the code. All or none: raises BadRequest for an id that does not wait, Conflict at the end."""
        if self._is_closed:
            raise Conflict(OVER)
        self._check(answers)
        if self._line is None or not answers:
            return  # before it has a kernel no call waits
        for answer in answers:
            del self._waiting[answer.call_id]
            self._line.deliver(self._charged(answer))
        if not self._waiting:
            self._line.end_waiting()

    def _check(self, answers: Sequence[HostAnswer]) -> None:
        named: set[str] = set()
        for answer in answers:
            if answer.call_id in named:
                raise BadRequest(f"There is more than one result for the call {answer.call_id!r}.")
            if answer.call_id not in self._waiting:
                state = "has been answered" if answer.call_id in self._seen else "is none of this run's"
                raise BadRequest(f"The call {answer.call_id!r} {state}: nothing of the results was used.")
            named.add(answer.call_id)

    def _charged(self, answer: HostAnswer) -> HostAnswer:
        """*answer*, or an error in its place if the run has no room for it."""
        if len(answer.content) > self._left_bytes:
            return HostAnswer.of(answer.call_id, error=self._too_much)
        self._left_bytes -= len(answer.content)
        return answer

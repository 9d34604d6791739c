"""The loop itself, without I/O: what to ask a model, what it wants carried out, and how the conversation goes on. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omega_client.errors import ConnectionFailed, Forbidden, TooManyRounds, Unauthorized
from omega_client.host_tools import to_json
from omega_client.llm.anthropic import Anthropic
from omega_client.llm.chat import Chat
from omega_client.llm.dialect import Asked, Assembler, Call, Dialect, Guarded, Outcome, hearing, is_of_system
from omega_client.llm.gemini import Gemini
from omega_client.llm.responses import Responses
from omega_client.registry import ToolResult
from omega_client.results import Chart, Run

DIALECTS: Mapping[str, Dialect] = {one.name: one for one in (Chat(), Responses(), Anthropic(), Gemini())}
FATAL = (Unauthorized, Forbidden, ConnectionFailed)
"""What no model can do anything about."""


def dialect_of(provider: str) -> Dialect:
    """The API named *provider*. Raises ValueError."""
    if provider not in DIALECTS:
        raise ValueError(f"There is no provider {provider!r}: they are {', '.join(DIALECTS)}")
    return DIALECTS[provider]


@dataclass(frozen=True)
class Answer:
    """What a model said in the end.

    *messages* is the whole conversation, ready to go on. *outcomes* are the calls that were carried out, with their results.
    *stop* is why the model ended, in the words of its API. *ran_out*: `max_rounds` was reached, and the model was told to
    answer without further calls. *last* is the last answer as it came.
    """

    text: str
    messages: list[Any] = field(repr=False)  # pictures are text of any length in it
    outcomes: tuple[Outcome, ...]
    rounds: int
    stop: str
    ran_out: bool
    last: Mapping[str, Any] = field(repr=False)

    @property
    def images(self) -> list[Chart]:
        """The pictures of all results."""
        return [image for outcome in self.outcomes for image in outcome.result.images]

    def __str__(self) -> str:
        """The text."""
        return self.text


class Loop:
    """One conversation. After `max_rounds` rounds of calls the model is asked once more, and may not call."""

    def __init__(
        self,
        dialect: Dialect,
        model: str,
        messages: str | Sequence[Any],
        tools: Sequence[Mapping[str, Any]],
        *,
        max_rounds: int,
        options: Mapping[str, Any],
    ) -> None:
        if max_rounds < 1:
            raise ValueError(f"max_rounds must be at least 1, not {max_rounds}")
        given = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        if not given:
            raise ValueError("There are no messages")
        self.dialect = dialect
        self._model = model
        self._messages, fields = dialect.begin(given)
        self._told = [one for one in given if is_of_system(one)] if fields else []
        self._options = {**fields, **options}
        self._tools = list(tools)
        self._max_rounds = max_rounds
        self._rounds = 0
        self._outcomes: list[Outcome] = []
        self._text = self._stop = ""
        self._last: Mapping[str, Any] = {}
        self.is_over = False

    def ask(self, *, streams: bool) -> Asked:
        """The next request."""
        may_call = self._rounds < self._max_rounds
        return Asked(self._model, tuple(self._messages), self._tools, may_call, streams, self._options)

    def assembler(self) -> Assembler:
        """For a stream."""
        return Guarded(self.dialect.assembler())

    def hear(self, answer: Mapping[str, Any]) -> tuple[Call, ...]:
        """The calls in *answer*; the conversation is over if it has none. Raises TooManyRounds."""
        with hearing():
            turn = self.dialect.read(answer)
        if self._rounds >= self._max_rounds and (turn.calls or turn.goes_on):
            raise TooManyRounds(self._max_rounds, [*self._told, *self._messages], turn.text)
        self._messages += turn.items
        self._text, self._stop, self._last = turn.text, turn.stop, answer
        self.is_over = not (turn.calls or turn.goes_on)
        self._rounds += not self.is_over
        return turn.calls

    def carried_out(self, outcomes: Sequence[Outcome]) -> None:
        """Go on with the results of all calls of the turn."""
        self._outcomes += outcomes
        if outcomes:
            self._messages += self.dialect.results(outcomes, self._model)

    @property
    def answer(self) -> Answer:
        """What it came to. Raises ValueError before its end."""
        if not self.is_over:
            raise ValueError("The conversation has not ended: read its events first")
        ran_out = self._rounds >= self._max_rounds
        return Answer(
            self._text, [*self._told, *self._messages], tuple(self._outcomes), self._rounds, self._stop, ran_out, self._last
        )


def refusal(call: Call, names: Sequence[str]) -> ToolResult | None:
    """The answer to a call that can't be carried out: its arguments are wrong, or there is no such tool."""
    if call.name not in names:
        known = ", ".join(names) or "none"
        return ToolResult(f"There is no tool {call.name!r}; the tools are: {known}.", is_error=True)
    return ToolResult(call.problem, is_error=True) if call.problem else None


def failure(error: Exception) -> ToolResult:
    """What a model is told of a handler that raised *error*; raises it again if no model can do anything about it."""
    if isinstance(error, FATAL):
        raise error
    return ToolResult(f"{type(error).__name__}: {error}", is_error=True)


def result_of(value: Any) -> ToolResult:
    """What a handler gave, as a result. Raises TypeError for what has no form in JSON."""
    if isinstance(value, ToolResult):
        return value
    if isinstance(value, Run):
        return ToolResult(str(value), tuple(value.charts), not value.success)
    if isinstance(value, Chart):
        return ToolResult("", (value,))
    if value is None or isinstance(value, str):
        return ToolResult(value or "")
    return ToolResult(json.dumps(value, default=to_json, ensure_ascii=False))

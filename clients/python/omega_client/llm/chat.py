"""OpenAI's chat completions, which most other servers speak too. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omega_client.errors import ModelError
from omega_client.llm.dialect import (
    Asked,
    Assembler,
    ModelEvent,
    Outcome,
    Turn,
    broke_off,
    parse_calls,
    text_of,
    visible,
    without_nulls,
)


class Chat:
    """Tools answer with text alone here."""

    name = "openai"
    url = "https://api.openai.com/v1"
    url_variable = "OPENAI_BASE_URL"
    key_variables: tuple[str, ...] = ("OPENAI_API_KEY",)

    def headers(self, key: str) -> dict[str, str]:
        """The key as a bearer token."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def path(self, asked: Asked, prefix: str) -> str:
        """Below .../v1, or whichever path the base URL has."""
        return "/chat/completions" if prefix else "/v1/chat/completions"

    def begin(self, messages: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """As they are."""
        return list(messages), {}

    def name_of(self, definition: Mapping[str, Any]) -> str:
        """In its `function`."""
        function = definition.get("function")
        return str(function.get("name") or "") if isinstance(function, Mapping) else ""

    def define(self, name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A function."""
        return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}

    def body(self, asked: Asked) -> dict[str, Any]:
        """Tools stay defined in a round without calls, as the conversation has calls of them."""
        body = {**asked.options, "model": asked.model, "messages": list(asked.messages)}
        if asked.tools:
            body["tools"] = list(asked.tools)
            if not asked.may_call:
                body["tool_choice"] = "none"
        return {**body, "stream": True} if asked.streams else body

    def read(self, answer: Mapping[str, Any]) -> Turn:
        """The first choice."""
        if not answer.get("choices"):
            raise ModelError(f"The model's answer has no choices: {str(answer)[:200]}")
        choice = answer["choices"][0]
        message = without_nulls(choice["message"])
        stop, made = str(choice.get("finish_reason") or ""), message.get("tool_calls") or ()
        found = [(call["id"], call["function"]["name"], call["function"].get("arguments", "")) for call in made]
        kept = {name: value for name, value in message.items() if value != []}
        text = str(message.get("content") or message.get("refusal") or "")
        cut = stop == "length"
        return Turn(text, parse_calls(found, is_cut=cut), ({"content": None, **kept},), stop, cut)

    def results(self, outcomes: Sequence[Outcome], model: str) -> list[Any]:
        """A message each. The pictures are told of, since they can't be shown."""
        return [
            {
                "role": "tool",
                "tool_call_id": outcome.call.id,
                "content": text_of(outcome.result, left_out=len(visible(outcome.result))),
            }
            for outcome in outcomes
        ]

    def assembler(self) -> Assembler:
        """Of chunks."""
        return _Chunks()


class _Chunks:
    def __init__(self) -> None:
        self._message: dict[str, Any] = {"role": "assistant", "content": None}
        self._calls: dict[int, dict[str, Any]] = {}
        self._stop = ""

    def feed(self, event: Mapping[str, Any]) -> list[ModelEvent]:
        """Deltas of text and of calls; a call's pieces have its number."""
        if event.get("error"):
            raise ModelError(str(event["error"].get("message") or event["error"]))
        events: list[ModelEvent] = []
        for choice in (event.get("choices") or ())[:1]:
            self._stop = choice.get("finish_reason") or self._stop
            delta = choice.get("delta") or {}
            for name in ("content", "refusal", "reasoning_content"):
                if delta.get(name):
                    self._message[name] = (self._message.get(name) or "") + delta[name]
            if delta.get("content"):
                events.append(ModelEvent("text", delta["content"]))
            events += [self._piece(piece) for piece in delta.get("tool_calls") or ()]
        return events

    def _piece(self, piece: Mapping[str, Any]) -> ModelEvent:
        at = piece.get("index")
        if at is None:  # some servers send whole calls without a number
            at = len(self._calls) if piece.get("id") else len(self._calls) - 1
        call = self._calls.setdefault(at, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        function = piece.get("function") or {}
        call["id"] = call["id"] or piece.get("id") or ""
        call["function"]["name"] = call["function"]["name"] or function.get("name") or ""
        text = function.get("arguments") or ""
        call["function"]["arguments"] += text
        for extra in piece.keys() - {"index", "id", "type", "function"}:
            call[extra] = piece[extra]
        return ModelEvent("arguments", text, call["function"]["name"])

    def answer(self) -> Mapping[str, Any]:
        """With the reason of its end."""
        if not self._stop:
            raise broke_off()
        calls = {"tool_calls": [self._calls[at] for at in sorted(self._calls)]} if self._calls else {}
        return {"choices": [{"message": {**self._message, **calls}, "finish_reason": self._stop}]}

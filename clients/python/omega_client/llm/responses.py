"""OpenAI's Responses. Pure."""

from __future__ import annotations

import base64
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


class Responses:
    """All items of an answer go back: a call without the thought before it is refused."""

    name = "openai-responses"
    url = "https://api.openai.com/v1"
    url_variable = "OPENAI_BASE_URL"
    key_variables: tuple[str, ...] = ("OPENAI_API_KEY",)

    def headers(self, key: str) -> dict[str, str]:
        """The key as a bearer token."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def path(self, asked: Asked, prefix: str) -> str:
        """Below .../v1, or whichever path the base URL has."""
        return "/responses" if prefix else "/v1/responses"

    def begin(self, messages: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """As they are: messages are items, too."""
        return list(messages), {}

    def name_of(self, definition: Mapping[str, Any]) -> str:
        """Of a function."""
        is_own = definition.get("type") == "function" and "function" not in definition
        return str(definition.get("name") or "") if is_own else ""

    def define(self, name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A function that is not strict, as the schema may have what strict ones may not."""
        return {"type": "function", "name": name, "description": description, "parameters": parameters, "strict": False}

    def body(self, asked: Asked) -> dict[str, Any]:
        """The whole conversation is the input."""
        body = {**asked.options, "model": asked.model, "input": list(asked.messages)}
        if asked.tools:
            body["tools"] = list(asked.tools)
            if not asked.may_call:
                body["tool_choice"] = "none"
        return {**body, "stream": True} if asked.streams else body

    def read(self, answer: Mapping[str, Any]) -> Turn:
        """Every item."""
        if answer.get("error"):
            raise ModelError(str(answer["error"].get("message") or answer["error"]))
        items = [without_nulls(item) for item in answer.get("output") or ()]
        stop = str(answer.get("status") or "")
        calls = [item for item in items if item.get("type") == "function_call"]
        found = [(call["call_id"], call["name"], call.get("arguments", "")) for call in calls]
        parts = [part for item in items if item.get("type") == "message" for part in item.get("content") or ()]
        text = "".join(part.get("text") or part.get("refusal") or "" for part in parts)
        cut = stop == "incomplete"
        return Turn(text, parse_calls(found, is_cut=cut), tuple(items), stop, cut)

    def results(self, outcomes: Sequence[Outcome], model: str) -> list[Any]:
        """An item each."""
        return [
            {"type": "function_call_output", "call_id": outcome.call.id, "output": _output(outcome)} for outcome in outcomes
        ]

    def assembler(self) -> Assembler:
        """Of events."""
        return _ItemEvents()


def _output(outcome: Outcome) -> Any:
    text, images = text_of(outcome.result), visible(outcome.result)
    if not images:
        return text
    parts: list[dict[str, Any]] = [{"type": "input_text", "text": text}]
    for image in images:
        data = base64.b64encode(image.data).decode()
        parts.append({"type": "input_image", "image_url": f"data:{image.mime_type};base64,{data}"})
    return parts


class _ItemEvents:
    def __init__(self) -> None:
        self._names: dict[Any, str] = {}
        self._items: list[Any] = []
        self._answer: Mapping[str, Any] | None = None

    def feed(self, event: Mapping[str, Any]) -> list[ModelEvent]:
        """The last event has the whole answer."""
        kind = event.get("type")
        if kind in ("error", "response.failed"):
            told = event.get("response", event)
            told = told.get("error") or told
            raise ModelError(str(told.get("message") or told))
        if kind in ("response.completed", "response.incomplete"):
            whole = event["response"]
            self._answer = whole if whole.get("output") else {**whole, "output": self._items}
        elif kind == "response.output_item.added":
            self._names[event.get("output_index")] = str(event["item"].get("name") or "")
        elif kind == "response.output_item.done":
            self._items.append(event["item"])
        elif kind == "response.output_text.delta":
            return [ModelEvent("text", event["delta"])]
        elif kind == "response.function_call_arguments.delta":
            return [ModelEvent("arguments", event["delta"], self._names.get(event.get("output_index"), ""))]
        return []

    def answer(self) -> Mapping[str, Any]:
        """The one of the last event."""
        if self._answer is None:
            raise broke_off()
        return self._answer

"""Anthropic's messages. Pure."""

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
    is_of_system,
    parse_arguments,
    parse_calls,
    text_of,
    visible,
    without_nulls,
)

MAX_TOKENS = 4096
"""The API wants a limit; every model allows this one."""


class Anthropic:
    """The results of a turn's calls come in one message."""

    name = "anthropic"
    url = "https://api.anthropic.com"
    url_variable = "ANTHROPIC_BASE_URL"
    key_variables: tuple[str, ...] = ("ANTHROPIC_API_KEY",)

    def headers(self, key: str) -> dict[str, str]:
        """The key, and the version of the API."""
        return {"anthropic-version": "2023-06-01", **({"x-api-key": key} if key else {})}

    def path(self, asked: Asked, prefix: str) -> str:
        """Below the host, or below .../v1."""
        return "/messages" if prefix.endswith("/v1") else "/v1/messages"

    def begin(self, messages: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Messages of the system are a field of their own here."""
        told = [one["content"] for one in messages if is_of_system(one)]
        rest = [one for one in messages if not is_of_system(one)]
        return rest, {"system": "\n\n".join(map(str, told))} if told else {}

    def name_of(self, definition: Mapping[str, Any]) -> str:
        """Of a tool with a schema."""
        return str(definition.get("name") or "") if "input_schema" in definition else ""

    def define(self, name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A tool."""
        return {"name": name, "description": description, "input_schema": parameters}

    def body(self, asked: Asked) -> dict[str, Any]:
        """Tools stay defined in a round without calls, as the conversation has calls of them."""
        body = {"max_tokens": MAX_TOKENS, **asked.options, "model": asked.model, "messages": list(asked.messages)}
        if asked.tools:
            body["tools"] = list(asked.tools)
            if not asked.may_call:
                body["tool_choice"] = {"type": "none"}
        return {**body, "stream": True} if asked.streams else body

    def read(self, answer: Mapping[str, Any]) -> Turn:
        """Thoughts go back as they came; the API takes back no empty text, and no input that is not an object."""
        blocks = [without_nulls(block) for block in answer.get("content") or ()]
        stop = str(answer.get("stop_reason") or "")
        made = [block for block in blocks if block["type"] == "tool_use"]
        found = [(block["id"], block["name"], block.get("input", {})) for block in made]
        text = "".join(block.get("text", "") for block in blocks if block["type"] == "text")
        kept = [_taken_back(block) for block in blocks if block["type"] != "text" or block.get("text")]
        items = ({"role": "assistant", "content": kept},) if kept else ()
        cut = stop == "max_tokens"
        return Turn(text, parse_calls(found, is_cut=cut), items, stop, cut, goes_on=stop == "pause_turn")

    def results(self, outcomes: Sequence[Outcome], model: str) -> list[Any]:
        """One message with a block each."""
        return [{"role": "user", "content": [_result(outcome) for outcome in outcomes]}]

    def assembler(self) -> Assembler:
        """Of events."""
        return _BlockEvents()


def _taken_back(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_use" and not isinstance(block.get("input"), dict):
        return {**block, "input": {}}
    return block


def _result(outcome: Outcome) -> dict[str, Any]:
    """Of an error, the API takes text alone."""
    images = visible(outcome.result)
    hidden = len(images) if outcome.result.is_error else 0
    content: list[dict[str, Any]] = [{"type": "text", "text": text_of(outcome.result, left_out=hidden)}]
    for image in images[hidden:]:
        source = {"type": "base64", "media_type": image.mime_type, "data": base64.b64encode(image.data).decode()}
        content.append({"type": "image", "source": source})
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": outcome.call.id, "content": content}
    return {**block, "is_error": True} if outcome.result.is_error else block


class _BlockEvents:
    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}
        self._is_over = False

    def feed(self, event: Mapping[str, Any]) -> list[ModelEvent]:
        """Blocks come in pieces."""
        kind = event.get("type")
        if kind == "error":
            raise ModelError(str(event["error"].get("message") or event["error"]))
        if kind == "message_start":
            self._message = dict(event["message"])
        elif kind == "content_block_start":
            self._blocks[event["index"]] = dict(event["content_block"])
        elif kind == "content_block_delta":
            return self._piece(event["index"], event["delta"])
        elif kind == "message_delta":
            self._message.update(event.get("delta") or {})
        elif kind == "message_stop":
            self._is_over = True
        return []

    def _piece(self, at: int, delta: Mapping[str, Any]) -> list[ModelEvent]:
        block, kind = self._blocks[at], delta.get("type")
        if kind == "text_delta":
            block["text"] = block.get("text", "") + delta["text"]
            return [ModelEvent("text", delta["text"])]
        if kind == "input_json_delta":
            self._inputs[at] = self._inputs.get(at, "") + delta["partial_json"]
            return [ModelEvent("arguments", delta["partial_json"], str(block.get("name") or ""))]
        if kind == "thinking_delta":
            block["thinking"] = block.get("thinking", "") + delta["thinking"]
        elif kind == "signature_delta":
            block["signature"] = block.get("signature", "") + delta["signature"]
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        return []

    def answer(self) -> Mapping[str, Any]:
        """With the inputs of its calls; one that is no JSON stays text."""
        if not self._is_over:
            raise broke_off()
        for at, text in self._inputs.items():
            try:
                self._blocks[at]["input"] = parse_arguments(text)
            except ValueError:
                self._blocks[at]["input"] = text
        return {**self._message, "content": [self._blocks[at] for at in sorted(self._blocks)]}

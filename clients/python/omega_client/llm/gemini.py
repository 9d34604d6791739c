"""Gemini's generateContent. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from omega_client.errors import ModelError
from omega_client.llm.dialect import (
    Asked,
    Assembler,
    ModelEvent,
    Outcome,
    Turn,
    broke_off,
    is_of_system,
    parse_calls,
    text_of,
    visible,
)

BESIDE = re.compile(r"gemini-[12]\b")
"""Models that take pictures beside the result of a function; newer ones take them inside."""
ROLES = {"assistant": "model"}


class Gemini:
    """Parts go back as they came: they are signed."""

    name = "gemini"
    url = "https://generativelanguage.googleapis.com"
    url_variable = "GOOGLE_GEMINI_BASE_URL"
    key_variables: tuple[str, ...] = ("GEMINI_API_KEY", "GOOGLE_API_KEY")

    def headers(self, key: str) -> dict[str, str]:
        """The key."""
        return {"x-goog-api-key": key} if key else {}

    def path(self, asked: Asked, prefix: str) -> str:
        """Below the host, or below a version."""
        version = "" if re.search(r"/v1(beta|alpha)?$", prefix) else "/v1beta"
        method = "streamGenerateContent?alt=sse" if asked.streams else "generateContent"
        name = asked.model if "/" in asked.model else f"models/{asked.model}"
        return f"{version}/{quote(name)}:{method}"

    def begin(self, messages: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Messages with plain `content` are put into the form of the API."""
        told = [one["content"] for one in messages if is_of_system(one)]
        rest = [_content(one) for one in messages if not is_of_system(one)]
        return rest, {"systemInstruction": {"parts": [{"text": str(one)} for one in told]}} if told else {}

    def name_of(self, definition: Mapping[str, Any]) -> str:
        """Of a declaration."""
        is_own = not definition.keys() & {"type", "input_schema", "inputSchema"}
        return str(definition.get("name") or "") if is_own else ""

    def define(self, name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """A declaration."""
        return {"name": name, "description": description, "parametersJsonSchema": parameters}

    def body(self, asked: Asked) -> dict[str, Any]:
        """All declarations are one tool; other tools stand beside it."""
        body = {**asked.options, "contents": list(asked.messages)}
        declared = [one for one in asked.tools if self.name_of(one)]
        others = [one for one in asked.tools if not self.name_of(one)]
        if asked.tools:
            body["tools"] = [*([{"functionDeclarations": declared}] if declared else ()), *others]
            if not asked.may_call:
                body["toolConfig"] = {"functionCallingConfig": {"mode": "NONE"}}
        return body

    def read(self, answer: Mapping[str, Any]) -> Turn:
        """The first candidate; a prompt that is blocked has none."""
        blocked = (answer.get("promptFeedback") or {}).get("blockReason")
        candidates = answer.get("candidates") or [{"finishReason": blocked or "OTHER"}]
        content, stop = candidates[0].get("content") or {}, str(candidates[0].get("finishReason") or "")
        parts = [part for part in content.get("parts") or () if part != {"text": ""}]
        made = [part["functionCall"] for part in parts if "functionCall" in part]
        found = [(call.get("id") or "", call["name"], call.get("args") or {}) for call in made]
        text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
        items = ({"role": "model", "parts": [_taken_back(part) for part in parts]},) if parts else ()
        cut = stop == "MAX_TOKENS"
        return Turn(text, parse_calls(found, is_cut=cut), items, stop, cut)

    def results(self, outcomes: Sequence[Outcome], model: str) -> list[Any]:
        """One content with a part each, in the order of the calls."""
        is_beside = bool(BESIDE.match(model.rpartition("/")[2]))
        parts: list[dict[str, Any]] = []
        images: list[dict[str, Any]] = []
        for outcome in outcomes:
            shown = [
                {"inlineData": {"mimeType": image.mime_type, "data": base64.b64encode(image.data).decode()}}
                for image in visible(outcome.result)
            ]
            about = {"id": outcome.call.id} if outcome.call.id else {}
            said = {"error" if outcome.result.is_error else "output": text_of(outcome.result)}
            response: dict[str, Any] = {**about, "name": outcome.call.name, "response": said}
            if is_beside:
                images += shown
            elif shown:
                response["parts"] = shown
            parts.append({"functionResponse": response})
        return [{"role": "user", "parts": [*parts, *images]}]

    def assembler(self) -> Assembler:
        """Of documents."""
        return _Documents()


def _content(message: Any) -> Any:
    if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
        return message
    role = str(message.get("role") or "user")
    return {"role": ROLES.get(role, role), "parts": [{"text": message["content"]}]}


def _taken_back(part: dict[str, Any]) -> dict[str, Any]:
    call = part.get("functionCall")
    if call is not None and not isinstance(call.get("args", {}), dict):
        return {**part, "functionCall": {**call, "args": {}}}
    return part


class _Documents:
    def __init__(self) -> None:
        self._parts: list[dict[str, Any]] = []
        self._last: dict[str, Any] = {}
        self._stop = ""

    def feed(self, event: Mapping[str, Any]) -> list[ModelEvent]:
        """Each has further parts."""
        if event.get("error"):
            raise ModelError(str(event["error"].get("message") or event["error"]), int(event["error"].get("code") or 0))
        if (event.get("promptFeedback") or {}).get("blockReason"):
            self._last, self._stop = {"promptFeedback": event["promptFeedback"]}, "blocked"
        events: list[ModelEvent] = []
        for candidate in (event.get("candidates") or ())[:1]:
            self._stop = candidate.get("finishReason") or self._stop
            for part in (candidate.get("content") or {}).get("parts") or ():
                self._add(part)
                if part.get("text") and not part.get("thought"):
                    events.append(ModelEvent("text", part["text"]))
        return events

    def _add(self, part: dict[str, Any]) -> None:
        """Pieces of one text are put together, unless they are signed."""
        last = self._parts[-1] if self._parts else {}
        if part.keys() == {"text"} == last.keys() or part.keys() == {"text", "thought"} == last.keys():
            self._parts[-1] = {**last, "text": last["text"] + part["text"]}
        else:
            self._parts.append(part)

    def answer(self) -> Mapping[str, Any]:
        """With the reason of its end."""
        if not self._stop:
            raise broke_off()
        if not self._parts:
            return {**self._last, "candidates": [] if self._last else [{"finishReason": self._stop}]}
        content = {"role": "model", "parts": self._parts}
        return {"candidates": [{"content": content, "finishReason": self._stop}]}

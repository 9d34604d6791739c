"""Gemini's generateContent. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.contract.models.script import Answer, Heard, Refused, Saying, names_of, pieces

NAMES = ("inline_data", "mime_type", "function_call", "function_response", "function_declarations", "thought_signature")
CAMEL = {name: re.sub(r"_(.)", lambda found: found[1].upper(), name) for name in NAMES}
"""Fields have two names in the API, and the SDK sends some by the one and some by the other."""
FREE = ("args", "response", "parametersJsonSchema", "parameters_json_schema")
"""What is inside of these is the caller's."""


def _named(value: Any) -> Any:
    if isinstance(value, list):
        return [_named(one) for one in value]
    if isinstance(value, dict):
        return {CAMEL.get(name, name): one if name in FREE else _named(one) for name, one in value.items()}
    return value


def listen(body: Mapping[str, Any]) -> Heard:
    """What a request says; Refused as the API refuses it."""
    body = _named(body)
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise Refused("* GenerateContentRequest.contents: contents is not specified")
    declared = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()]
    tools = names_of(declared or None, lambda tool: tool.get("name"))
    answers: list[Answer] = []
    calls: list[dict[str, Any]] = []
    for content in contents:
        if content.get("role") not in ("user", "model"):
            raise Refused("Please use a valid role: user, model.")
        answers = _answers(content["parts"], calls)
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        _check(content["parts"], calls)
    if calls:
        raise Refused("Please ensure that function call turn comes immediately before a function response turn.")
    mode = body.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode", "AUTO")
    return Heard(tuple(answers), bool(tools) and mode != "NONE", tools)


def _check(parts: list[dict[str, Any]], calls: list[dict[str, Any]]) -> None:
    if any(call.get("id", "").startswith("call_thought") for call in calls):
        first = next(part for part in parts if "functionCall" in part)
        if first.get("thoughtSignature") != "c2lnbmVk":
            raise Refused("Function call is missing a thought_signature in functionCall parts.")


def _answers(parts: list[dict[str, Any]], calls: list[dict[str, Any]]) -> list[Answer]:
    given = [part["functionResponse"] for part in parts if "functionResponse" in part]
    if [(call.get("id"), call["name"]) for call in calls] != [(one.get("id"), one["name"]) for one in given]:
        raise Refused(
            "Please ensure that the number of function response parts is equal to the number of function call parts "
            "of the function call turn."
        )
    beside = [part["inlineData"]["mimeType"] for part in parts if "inlineData" in part]
    answers = [_answer(one) for one in given]
    if beside and answers:
        answers[-1] = Answer(answers[-1].id, answers[-1].text, tuple(beside), answers[-1].is_error)
    return answers


def _answer(given: Mapping[str, Any]) -> Answer:
    response = given.get("response")
    if not isinstance(response, dict):
        raise Refused("Invalid value at 'contents[0].parts[0].function_response.response': expected an object")
    said = response.get("error", response.get("output", response))
    images = tuple(part["inlineData"]["mimeType"] for part in given.get("parts", ()))
    return Answer(given.get("id", ""), str(said), images, "error" in response)


def say(saying: Saying) -> dict[str, Any]:
    """The answer as one document."""
    return _document(saying, _parts(saying), is_last=True)


def _parts(saying: Saying) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"text": "Hm.", "thought": True}] if saying.thinks else []
    if saying.text:
        parts.append({"text": saying.text})
    for at, call in enumerate(saying.calls):
        about = saying.id_of(at).replace("call", "call_thought") if saying.thinks else saying.id_of(at)
        signed = {"thoughtSignature": "c2lnbmVk"} if saying.thinks and at == 0 else {}
        parts.append({"functionCall": {"id": about, "name": call.name, "args": call.arguments}, **signed})
    return parts


def _document(saying: Saying, parts: list[dict[str, Any]], *, is_last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if is_last:
        candidate["finishReason"] = "MAX_TOKENS" if saying.is_cut else "STOP"
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": saying.model,
        "responseId": f"r{saying.number}",
    }


def stream(saying: Saying) -> Iterator[tuple[str, Any]]:
    """The answer as events of a stream: a name, empty for none, and the data."""
    for part in _parts(saying):
        if "text" in part:
            for piece in pieces(part["text"]):
                yield "", _document(saying, [{**part, "text": piece}], is_last=False)
        else:
            yield "", _document(saying, [part], is_last=False)
    yield "", _document(saying, [{"text": ""}], is_last=True)


def fault(status: int, message: str) -> dict[str, Any]:
    """A refusal."""
    names = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
    return {"error": {"code": status, "message": message, "status": names.get(status, "INTERNAL")}}


def broken(message: str) -> tuple[str, Any]:
    """A fault in the middle of a stream."""
    return "", fault(503, message)

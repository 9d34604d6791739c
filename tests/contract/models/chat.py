"""OpenAI's chat completions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.contract.models.script import Answer, Heard, Refused, Saying, names_of, pieces, text_of


def listen(body: Mapping[str, Any]) -> Heard:
    """What a request says; Refused as the API refuses it."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("Invalid 'messages': expected an array with at least one message.")
    tools = names_of(body.get("tools"), _name)
    if "tool_choice" in body and not tools:
        raise Refused("Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
    answers: list[Answer] = []
    open_ids: set[str] = set()
    for position, message in enumerate(messages):
        if message["role"] == "tool":
            answers.append(_answer(message, open_ids, position))
            continue
        if open_ids:
            raise Refused(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(sorted(open_ids))}"
            )
        answers.clear()
        open_ids = {_call_id(call) for call in message.get("tool_calls") or ()}
    if open_ids:
        raise Refused(f"These tool_call_ids did not have response messages: {', '.join(sorted(open_ids))}")
    return Heard(tuple(answers), bool(tools) and body.get("tool_choice") != "none", tools)


def _name(tool: Mapping[str, Any]) -> object:
    if tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
        raise Refused("Missing required parameter: 'tools[0].function'.")
    return tool["function"].get("name")


def _call_id(call: Mapping[str, Any]) -> str:
    if call.get("type") != "function" or not isinstance(call["function"].get("arguments"), str):
        raise Refused("Invalid type for 'tool_calls[0].function.arguments': expected a string.")
    return str(call["id"])


def _answer(message: Mapping[str, Any], open_ids: set[str], position: int) -> Answer:
    about = message.get("tool_call_id")
    if about not in open_ids:
        raise Refused("Messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")
    open_ids.discard(about)
    return Answer(about, text_of(message.get("content"), f"messages[{position}].content"))


def say(saying: Saying) -> dict[str, Any]:
    """The answer as one document."""
    message: dict[str, Any] = {"role": "assistant", "content": saying.text or None, "refusal": None}
    if saying.calls:
        message["tool_calls"] = [
            {"id": saying.id_of(at), "type": "function", "function": {"name": call.name, "arguments": call.text}}
            for at, call in enumerate(saying.calls)
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(saying)}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {**_head(saying, "chat.completion"), "choices": [choice], "usage": usage}


def _head(saying: Saying, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{saying.number}", "object": kind, "created": 1, "model": saying.model}


def _reason(saying: Saying) -> str:
    return "length" if saying.is_cut else "tool_calls" if saying.calls else "stop"


def stream(saying: Saying) -> Iterator[tuple[str, Any]]:
    """The answer as events of a stream: a name, empty for none, and the data."""
    head = _head(saying, "chat.completion.chunk")
    for delta in _deltas(saying):
        yield "", {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]}
    yield "", {**head, "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": _reason(saying)}]}
    yield "", {**head, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
    yield "", "[DONE]"


def _deltas(saying: Saying) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": "" if saying.text else None, "refusal": None}
    for piece in pieces(saying.text):
        yield {"content": piece}
    for at, call in enumerate(saying.calls):
        start = {"index": at, "id": saying.id_of(at), "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [start]}
        for piece in pieces(call.text):
            yield {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}


def fault(status: int, message: str) -> dict[str, Any]:
    """A refusal."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def broken(message: str) -> tuple[str, Any]:
    """A fault in the middle of a stream."""
    return "", fault(500, message)

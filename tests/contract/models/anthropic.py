"""Anthropic's messages. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.contract.models.script import Answer, Heard, Refused, Saying, names_of, pieces

PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def listen(body: Mapping[str, Any]) -> Heard:
    """What a request says; Refused as the API refuses it."""
    if not isinstance(body.get("max_tokens"), int):
        raise Refused("max_tokens: Field required")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("messages: at least one message is required")
    tools = names_of(body.get("tools"), _name)
    answers: list[Answer] = []
    open_ids: list[str] = []
    for at, message in enumerate(messages):
        if message["role"] not in ("user", "assistant"):
            raise Refused(f'messages: Unexpected role "{message["role"]}".')
        blocks = message["content"]
        blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
        answers = _answers(blocks, open_ids, at)
        open_ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
        _check(blocks, at)
    if open_ids:
        raise Refused(f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(open_ids)}")
    return Heard(tuple(answers), bool(tools) and body.get("tool_choice", {}).get("type") != "none", tools)


def _name(tool: Mapping[str, Any]) -> object:
    if not isinstance(tool.get("input_schema"), dict):
        raise Refused("tools.0.custom.input_schema: Field required")
    return tool.get("name")


def _check(blocks: list[dict[str, Any]], at: int) -> None:
    for block in blocks:
        if block["type"] == "text" and not block["text"]:
            raise Refused(f"messages.{at}: text content blocks must be non-empty")
        if block["type"] == "tool_use" and not isinstance(block["input"], dict):
            raise Refused(f"messages.{at}.content.0.tool_use.input: Input should be a valid dictionary")
    if any(block.get("id", "").startswith("call_thought") for block in blocks):
        first = blocks[0]
        if first["type"] != "thinking" or first.get("signature") != "signed":
            raise Refused(f"messages.{at}.content.0.type: Expected `thinking`, but found `{first['type']}`")


def _answers(blocks: list[dict[str, Any]], open_ids: list[str], at: int) -> list[Answer]:
    results = [block for block in blocks if block["type"] == "tool_result"]
    given = [block["tool_use_id"] for block in results]
    missing = [about for about in open_ids if about not in given]
    if missing or blocks[: len(results)] != results:
        raise Refused(
            f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}"
        )
    if len(given) != len(open_ids):
        raise Refused(f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(given)}")
    return [_answer(block, at) for block in results]


def _answer(block: Mapping[str, Any], at: int) -> Answer:
    content, is_error = block.get("content", ""), bool(block.get("is_error"))
    if isinstance(content, str):
        if is_error and not content:
            raise Refused(f"messages.{at}.content.0.tool_result: content cannot be empty if `is_error` is true")
        return Answer(block["tool_use_id"], content, (), is_error)
    _check(content, at)
    images = []
    for part in content:
        if part["type"] == "image":
            if part["source"]["type"] != "base64" or part["source"]["media_type"] not in PICTURES:
                raise Refused(f"messages.{at}.content.0.tool_result.content.0.image.source: Input should be a picture")
            images.append(part["source"]["media_type"])
        elif part["type"] != "text":
            raise Refused(f"messages.{at}.content.0.tool_result.content.0: unexpected type {part['type']}")
    if is_error and not content:
        raise Refused(f"messages.{at}.content.0.tool_result: content cannot be empty if `is_error` is true")
    if is_error and images:
        raise Refused(f"messages.{at}.content.0.tool_result: all content must be type `text` if `is_error` is true")
    said = "".join(part["text"] for part in content if part["type"] == "text")
    return Answer(block["tool_use_id"], said, tuple(images), is_error)


def say(saying: Saying) -> dict[str, Any]:
    """The answer as one document."""
    reason = "max_tokens" if saying.is_cut else "tool_use" if saying.calls else "end_turn"
    return {**_head(saying), "content": _blocks(saying), "stop_reason": reason}


def _head(saying: Saying) -> dict[str, Any]:
    return {
        "id": f"msg_{saying.number}",
        "type": "message",
        "role": "assistant",
        "model": saying.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def _blocks(saying: Saying) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if saying.thinks:
        blocks.append({"type": "thinking", "thinking": "Hm.", "signature": "signed"})
    if saying.text:
        blocks.append({"type": "text", "text": saying.text, "citations": None})
    for at, call in enumerate(saying.calls):
        about = saying.id_of(at).replace("call", "call_thought") if saying.thinks else saying.id_of(at)
        blocks.append({"type": "tool_use", "id": about, "name": call.name, "input": call.arguments})
    return blocks


def stream(saying: Saying) -> Iterator[tuple[str, Any]]:
    """The answer as events of a stream: a name, empty for none, and the data."""
    yield _event("message_start", message=_head(saying))
    texts = [call.text for call in saying.calls]
    for at, block in enumerate(_blocks(saying)):
        text = texts.pop(0) if block["type"] == "tool_use" else ""
        yield from _of_block(at, block, text)
        if at == 0:
            yield _event("ping")
    reason = say(saying)["stop_reason"]
    yield _event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 1})
    yield _event("message_stop")


def _of_block(at: int, block: dict[str, Any], text: str) -> Iterator[tuple[str, Any]]:
    empty: dict[str, Any] = {"text": "", "thinking": "", "signature": "", "input": {}}
    started = {name: empty.get(name, value) for name, value in block.items()}
    yield _event("content_block_start", index=at, content_block=started)
    deltas: list[dict[str, Any]] = []
    if block["type"] == "text":
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    elif block["type"] == "thinking":
        deltas = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    else:
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(text)]
    for delta in deltas:
        yield _event("content_block_delta", index=at, delta=delta)
    yield _event("content_block_stop", index=at)


def _event(kind: str, **fields: Any) -> tuple[str, Any]:
    return kind, {"type": kind, **fields}


def fault(status: int, message: str) -> dict[str, Any]:
    """A refusal."""
    kinds = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def broken(message: str) -> tuple[str, Any]:
    """A fault in the middle of a stream."""
    return "error", fault(529, message)

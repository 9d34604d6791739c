"""OpenAI's Responses. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.contract.models.script import Answer, Heard, Refused, Saying, names_of, pieces

FIELDS = {
    "function_call": {"type", "id", "call_id", "name", "arguments", "status", "caller", "namespace"},
    "function_call_output": {"type", "id", "call_id", "output", "status"},
}
"""What items may have; the API refuses others by name."""


def listen(body: Mapping[str, Any]) -> Heard:
    """What a request says; Refused as the API refuses it."""
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list) or not items:
        raise Refused("Missing required parameter: 'input'.")
    tools = names_of(body.get("tools"), _name)
    _check(items)
    last: list[Answer] = []
    for item in items:
        if item.get("type") == "function_call_output":
            last.append(_answer(item))
        elif item.get("type") == "function_call" or item.get("role"):
            last.clear()
    return Heard(tuple(last), bool(tools) and body.get("tool_choice") != "none", tools)


def _name(tool: Mapping[str, Any]) -> object:
    if tool.get("type") != "function":
        raise Refused(f"Invalid value: {tool.get('type')!r}. Supported values are: 'function'.")
    return tool.get("name")


def _check(items: list[dict[str, Any]]) -> None:
    calls = [item["call_id"] for item in items if item.get("type") == "function_call"]
    outputs = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    for about in calls:
        if outputs.count(about) != 1:
            raise Refused(f"No tool output found for function call {about}.")
    for about in outputs:
        if about not in calls:
            raise Refused(f"No tool call found for function call output with call_id {about}.")
    for at, item in enumerate(items):
        for name in item.keys() - FIELDS.get(item.get("type", ""), item.keys()):
            raise Refused(f"Unknown parameter: 'input[{at}].{name}'.")
        if item.get("type") == "function_call" and item["id"].startswith("fc_thought"):
            needed = item["id"].replace("fc_thought", "rs").rpartition("_")[0]
            if not any(other.get("id") == needed for other in items[:at]):
                raise Refused(
                    f"Item '{item['id']}' of type 'function_call' was provided without its required 'reasoning' item: "
                    f"'{needed}'."
                )


def _answer(item: Mapping[str, Any]) -> Answer:
    output = item.get("output")
    if isinstance(output, str):
        return Answer(item["call_id"], output)
    if not isinstance(output, list):
        raise Refused("Invalid type for 'input[0].output': expected text or an array of parts.")
    said, images = "", []
    for part in output:
        if part.get("type") == "input_text":
            said += part["text"]
        elif part.get("type") == "input_image" and part["image_url"].startswith("data:"):
            images.append(part["image_url"][5:].partition(";base64,")[0])
        else:
            raise Refused(f"Invalid value: {part.get('type')!r}. Supported are 'input_text' and 'input_image'.")
    return Answer(item["call_id"], said, tuple(images))


def say(saying: Saying) -> dict[str, Any]:
    """The answer as one document."""
    return _document(saying, _items(saying), "incomplete" if saying.is_cut else "completed")


def _items(saying: Saying) -> list[dict[str, Any]]:
    thought = {"type": "reasoning", "id": f"rs_{saying.number}", "summary": [], "encrypted_content": "opaque"}
    items: list[dict[str, Any]] = [thought] if saying.thinks else []
    if saying.text:
        part = {"type": "output_text", "text": saying.text, "annotations": []}
        message = {"type": "message", "id": f"msg_{saying.number}", "status": "completed", "role": "assistant"}
        items.append({**message, "content": [part]})
    mark = "fc_thought" if saying.thinks else "fc"
    for at, call in enumerate(saying.calls):
        about = {"type": "function_call", "id": f"{mark}_{saying.number}_{at}", "call_id": saying.id_of(at)}
        items.append({**about, "name": call.name, "arguments": call.text, "status": "completed"})
    return items


def _document(saying: Saying, items: list[dict[str, Any]], status: str) -> dict[str, Any]:
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    return {
        "id": f"resp_{saying.number}",
        "object": "response",
        "created_at": 1,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "metadata": {},
        "model": saying.model,
        "output": items,
        "parallel_tool_calls": True,
        "temperature": 1,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1,
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, **details},
    }


def stream(saying: Saying) -> Iterator[tuple[str, Any]]:
    """The answer as events of a stream: a name, empty for none, and the data."""
    events = [("response.created", {"response": _document(saying, [], "in_progress")})]
    for at, item in enumerate(_items(saying)):
        events += _of_item(at, item)
    whole = say(saying)
    events.append((f"response.{whole['status']}", {"response": whole}))
    for number, (kind, data) in enumerate(events):
        yield kind, {"type": kind, "sequence_number": number, **data}


def _of_item(at: int, item: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    where = {"output_index": at, "item_id": item["id"]}
    blank: dict[str, dict[str, Any]] = {"message": {"content": []}, "function_call": {"arguments": ""}}
    empty = blank.get(item["type"], {})
    started = {**item, **empty, **({"status": "in_progress"} if empty else {})}
    events = [("response.output_item.added", {"output_index": at, "item": started})]
    if item["type"] == "message":
        part = {**where, "content_index": 0}
        text = item["content"][0]["text"]
        opened = {**part, "part": {"type": "output_text", "text": "", "annotations": []}}
        events.append(("response.content_part.added", opened))
        events += [("response.output_text.delta", {**part, "delta": piece, "logprobs": []}) for piece in pieces(text)]
        events.append(("response.output_text.done", {**part, "text": text, "logprobs": []}))
        events.append(("response.content_part.done", {**part, "part": item["content"][0]}))
    if item["type"] == "function_call":
        text = item["arguments"]
        events += [("response.function_call_arguments.delta", {**where, "delta": piece}) for piece in pieces(text)]
        done = {**where, "arguments": text, "name": item["name"]}
        events.append(("response.function_call_arguments.done", done))
    return [*events, ("response.output_item.done", {"output_index": at, "item": item})]


def fault(status: int, message: str) -> dict[str, Any]:
    """A refusal."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def broken(message: str) -> tuple[str, Any]:
    """A fault in the middle of a stream."""
    return "error", {"type": "error", "sequence_number": 99, "code": "server_error", "message": message, "param": None}

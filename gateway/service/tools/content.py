"""The answer of a tool as blocks of content, and as the message that each API wants appended. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.core.pictures import Image
from gateway.service.tools.formats import Format

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """What a tool answers the call *call_id* of *name* with: *text*, and *images* beside it."""

    name: str
    call_id: str
    text: str
    images: tuple[Image, ...] = ()
    is_error: bool = False

    def blocks(self) -> list[Block]:
        """The text, and then each image, in the form of the Model Context Protocol."""
        return [
            {"type": "text", "text": self.text},
            *({"type": "image", "data": image.base64, "mimeType": image.mime} for image in self.images),
        ]


def openai(content: Content) -> Block:
    """A message of chat completions; tools answer with text alone there."""
    return {"role": "tool", "tool_call_id": content.call_id, "content": content.text}


def openai_responses(content: Content) -> Block:
    """An item of the next input of Responses."""
    parts: list[Block] = [{"type": "input_text", "text": content.text}]
    parts += [{"type": "input_image", "image_url": f"data:{image.mime};base64,{image.base64}"} for image in content.images]
    return {"type": "function_call_output", "call_id": content.call_id, "output": parts}


def anthropic(content: Content) -> Block:
    """A block of the next message of the user. The API takes no pictures in the result of a call that failed."""
    parts: list[Block] = [{"type": "text", "text": content.text}]
    for image in () if content.is_error else content.images:
        parts.append({"type": "image", "source": {"type": "base64", "media_type": image.mime, "data": image.base64}})
    return {"type": "tool_result", "tool_use_id": content.call_id, "content": parts, "is_error": content.is_error}


def gemini(content: Content) -> Block:
    """A part of the next content of the user."""
    response: Block = {"error" if content.is_error else "output": content.text}
    call: Block = {"id": content.call_id} if content.call_id else {}
    return {"functionResponse": {**call, "name": content.name, "response": response}}


def mcp(content: Content) -> Block:
    """A result of tools/call."""
    return {"content": content.blocks(), "isError": content.is_error}


MESSAGES: Final[Mapping[Format, Callable[[Content], Block]]] = {
    "openai": openai,
    "openai-responses": openai_responses,
    "anthropic": anthropic,
    "gemini": gemini,
    "mcp": mcp,
}

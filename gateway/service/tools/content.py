"""The answer of a tool as blocks of content, and as the message that each API wants appended. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.core.charts import chart_type
from gateway.core.model import Display
from gateway.service.tools.formats import Format

Block = dict[str, Any]
VISIBLE: Final = ("image/png", "image/jpeg")
"""Pictures that models can look at."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a tool answers the call *call_id* of *name* with."""

    name: str
    call_id: str
    text: str
    pictures: tuple[Display, ...] = ()
    is_error: bool = False

    def blocks(self) -> list[Block]:
        """The text, and then each picture that models can look at, in the form of the Model Context Protocol."""
        return [
            {"type": "text", "text": self.text},
            *({"type": "image", "data": data, "mimeType": kind} for kind, data in self.images()),
        ]

    def images(self) -> list[tuple[str, str]]:
        """The MIME type and the base64 of each of them."""
        found = ((chart_type(shown), shown.data) for shown in self.pictures)
        return [(kind, "".join(str(data[kind]).split())) for kind, data in found if kind in VISIBLE]


def openai(content: Content) -> Block:
    """A message of chat completions; tools answer with text alone there."""
    return {"role": "tool", "tool_call_id": content.call_id, "content": content.text}


def openai_responses(content: Content) -> Block:
    """An item of the next input of Responses."""
    parts: list[Block] = [{"type": "input_text", "text": content.text}]
    parts += [{"type": "input_image", "image_url": f"data:{kind};base64,{data}"} for kind, data in content.images()]
    return {"type": "function_call_output", "call_id": content.call_id, "output": parts}


def anthropic(content: Content) -> Block:
    """A block of the next message of the user. The API takes no pictures in the result of a call that failed."""
    parts: list[Block] = [{"type": "text", "text": content.text}]
    for kind, data in () if content.is_error else content.images():
        parts.append({"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}})
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

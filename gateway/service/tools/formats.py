"""Definitions of tools as each API takes them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

from gateway.service.tools.table import Tool

Format = Literal["openai", "openai-responses", "anthropic", "gemini", "mcp"]
_TEXT_IN_STRICT: Final = "CSV or JSON text"


def openai(tool: Tool) -> dict[str, Any]:
    """A tool of OpenAI's chat completions, which most other servers take too."""
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def openai_responses(tool: Tool) -> dict[str, Any]:
    """A strict tool of OpenAI's Responses."""
    schema = strict(tool.parameters)
    return {"type": "function", "name": tool.name, "description": tool.description, "parameters": schema, "strict": True}


def anthropic(tool: Tool) -> dict[str, Any]:
    """A tool of Anthropic's messages."""
    return {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}


def gemini(tool: Tool) -> dict[str, Any]:
    """A function declaration of Gemini."""
    return {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}


def mcp(tool: Tool) -> dict[str, Any]:
    """A tool of the Model Context Protocol. Without an output schema, as clients then hide text and pictures from models."""
    hints = {"readOnlyHint": tool.is_read_only, "destructiveHint": False, "openWorldHint": False}
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": tool.parameters,
        "annotations": hints,
    }


FORMATS: Final[Mapping[Format, Callable[[Tool], dict[str, Any]]]] = {
    "openai": openai,
    "openai-responses": openai_responses,
    "anthropic": anthropic,
    "gemini": gemini,
    "mcp": mcp,
}


def render(tools: Iterable[Tool], form: Format) -> list[dict[str, Any]]:
    """*tools* as the API *form* takes them."""
    return [FORMATS[form](tool) for tool in tools]


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """*schema* by the rules of strict function calling: every property is required, optional ones may be null, and no
    object has free names, so that tables are text there."""
    needed = schema["required"]
    properties = {name: _strict_part(part, is_optional=name not in needed) for name, part in schema["properties"].items()}
    return {**schema, "properties": properties, "required": list(properties)}


def _strict_part(part: Mapping[str, Any], *, is_optional: bool) -> dict[str, Any]:
    if "anyOf" in part:
        part = {"type": "string", "description": _TEXT_IN_STRICT}
    if not is_optional:
        return dict(part)
    nullable = {**part, "type": [part["type"], "null"]}
    return {**nullable, "enum": [*part["enum"], None]} if "enum" in part else nullable

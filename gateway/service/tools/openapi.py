"""The tools as a small OpenAPI document: clients that make tools of operations get these few, by their names. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from gateway.service.tools.table import Tool

PATH: Final = "/code-interpreter/tools/{}"
_ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "what happened"},
        "content": {"type": "array", "items": {"type": "object"}, "description": "the text, and images in base64"},
        "links": {"type": "array", "items": {"type": "object"}, "description": "pictures in full, for the user"},
        "isError": {"type": "boolean"},
        "session": {"type": ["string", "null"]},
    },
    "required": ["text", "content", "isError", "session"],
}


def describe(tools: Iterable[Tool], version: str) -> dict[str, Any]:
    """An OpenAPI 3.1 document with one operation a tool, which has the tool's name."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Omega code tools", "version": version, "description": "Runs code in isolated kernels."},
        "security": [{"token": []}],
        "paths": {PATH.format(tool.name): {"post": _operation(tool)} for tool in tools},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(tool: Tool) -> dict[str, Any]:
    return {
        "operationId": tool.name,
        "summary": tool.title,
        "description": tool.description,
        "requestBody": {"required": True, "content": {"application/json": {"schema": tool.parameters}}},
        "responses": {"200": {"description": "What happened.", "content": {"application/json": {"schema": _ANSWER}}}},
    }

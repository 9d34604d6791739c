"""The gateway's definitions and messages, checked by the types of the SDKs of those who make models."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.request import Request, urlopen

import jsonschema
import mcp_types
from anthropic.types import ImageBlockParam, TextBlockParam, ToolParam, ToolResultBlockParam
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from openai.types.responses import FunctionToolParam
from openai.types.responses.response_input_param import FunctionCallOutput
from pydantic import TypeAdapter

API = os.environ["GATEWAY_URL"] + "/code-interpreter/tools"
DEFINITIONS: Mapping[str, TypeAdapter[Any]] = {
    "openai": TypeAdapter(ChatCompletionToolUnionParam),
    "openai-responses": TypeAdapter(FunctionToolParam),
    "anthropic": TypeAdapter(ToolParam),
    "mcp": TypeAdapter(mcp_types.Tool),
}
MESSAGES: Mapping[str, TypeAdapter[Any]] = {
    "openai": TypeAdapter(ChatCompletionMessageParam),
    "openai-responses": TypeAdapter(FunctionCallOutput),
    "anthropic": TypeAdapter(ToolResultBlockParam),
    "mcp": TypeAdapter(mcp_types.CallToolResult),
}
# Their type of a result says Iterable, of which pydantic looks at nothing.
BLOCKS: Mapping[str, TypeAdapter[Any]] = {"text": TypeAdapter(TextBlockParam), "image": TypeAdapter(ImageBlockParam)}


def ask(path: str, body: object = None) -> Any:
    """The JSON at *path*."""
    headers = {"Authorization": f"Bearer {os.environ['GATEWAY_TOKEN']}", "Content-Type": "application/json"}
    with urlopen(Request(API + path, None if body is None else json.dumps(body).encode(), headers)) as reply:
        return json.load(reply)


def schema_of(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of the arguments, wherever an API has it."""
    inner = tool.get("function", tool)
    return dict(next(inner[name] for name in ("parameters", "input_schema", "inputSchema") if name in inner))


checked = []
for name, kind in DEFINITIONS.items():
    for tool in ask(f"?format={name}"):
        kind.validate_python(tool)
        jsonschema.Draft202012Validator.check_schema(schema_of(tool))
    drawn = ask(f"/code_generate_chart?format={name}&call_id=c1", {"code": "plt.plot([1, 2])"})
    MESSAGES[name].validate_python(drawn["message"])
    if name == "anthropic":
        for block in drawn["message"]["content"]:
            BLOCKS[block["type"]].validate_python(block)
    checked.append(name)
print(json.dumps(checked))

"""An agent of pydantic-ai with the gateway's tools by MCP; its model is a function that calls one and repeats the answer."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from pydantic_ai import Agent, BinaryContent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

URL, TOKEN = os.environ["GATEWAY_URL"], os.environ["GATEWAY_TOKEN"]


def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """First the call, then what it gave."""
    returned: list[Any] = [part for message in messages for part in message.parts if part.part_kind == "tool-return"]
    if not returned:
        assert "code_generate_chart" in [tool.name for tool in info.function_tools]
        return ModelResponse([ToolCallPart("code_generate_chart", {"code": "print('drawn'); plt.plot([1, 2])"})])
    content = returned[0].content
    pieces = content if isinstance(content, list) else [content]
    seen = [piece.media_type if isinstance(piece, BinaryContent) else str(piece) for piece in pieces]
    return ModelResponse([TextPart(json.dumps(seen))])


async def main() -> None:
    """One turn of the agent."""
    server: MCPToolset = MCPToolset(f"{URL}/mcp", headers={"Authorization": f"Bearer {TOKEN}"})
    agent = Agent(FunctionModel(answer), toolsets=[server])
    async with agent:
        print((await agent.run("draw")).output)


asyncio.run(main())

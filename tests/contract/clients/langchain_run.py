"""LangChain's adapters for MCP on the gateway: what a model gets as the message of a tool."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from langchain_mcp_adapters.client import MultiServerMCPClient

URL, TOKEN = os.environ["GATEWAY_URL"], os.environ["GATEWAY_TOKEN"]


async def call(tool: Any, arguments: dict[str, Any]) -> list[Any]:
    """The status of the message, and its blocks: of a text the text, of a picture what it is."""
    message = await tool.ainvoke({"type": "tool_call", "id": "c1", "name": tool.name, "args": arguments})
    return [message.status, [block.get("text") or [block["mime_type"], "base64" in block] for block in message.content]]


async def main() -> None:
    """Draw, and fail."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    client = MultiServerMCPClient({"omega": {"transport": "streamable_http", "url": f"{URL}/mcp", "headers": headers}})
    tools = {tool.name: tool for tool in await client.get_tools()}
    drawn = await call(tools["code_generate_chart"], {"code": "print('drawn'); plt.plot([1, 2])"})
    failed = await call(tools["code_execute_python"], {"code": "1/0"})
    print(json.dumps({"names": list(tools), "drawn": drawn, "failed": failed}))


asyncio.run(main())

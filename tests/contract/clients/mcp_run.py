"""The official MCP client on the gateway.

argv[1] is how it connects, argv[2] is http or stdio, argv[3] a Python with the gateway.
"""

from __future__ import annotations

import asyncio
import json
import sys

from mcp import Client, MCPError
from mcp_transport import over_http, over_stdio


async def main() -> None:
    """Use everything that the gateway has for agents, and tell what came."""
    transport = over_stdio(sys.argv[3]) if sys.argv[2] == "stdio" else over_http()
    async with Client(transport, mode=sys.argv[1]) as client:
        told: list[float] = []

        async def on_progress(progress: float, _total: float | None, _message: str | None) -> None:
            told.append(progress)

        tools = [tool.name for tool in (await client.list_tools()).tools]
        drawn = await client.call_tool("code_generate_chart", {"code": "print('drawn'); plt.plot([1, 2])"})
        begun = await client.call_tool("code_execute_python", {"code": "x = 5", "session": "new"})
        session = begun.content[0].text.rpartition("[New session: ")[2].removesuffix("]")
        again = await client.call_tool(
            "code_execute_python", {"code": "x", "session": session}, progress_callback=on_progress
        )
        listed = [str(one.uri) for one in (await client.list_resources()).resources]
        variables = await client.read_resource(f"omega://sessions/{session}/variables")
        wrong = await client.call_tool("code_execute_python", {"cod": "x"})
        try:
            unknown = str(await client.call_tool("code_run", {}))
        except MCPError as error:
            unknown = error.error.message
        print(
            json.dumps(
                {
                    "version": client.protocol_version,
                    "tools": tools,
                    "drawn": [drawn.is_error, [one.type for one in drawn.content], drawn.content[0].text],
                    "again": again.content[0].text,
                    "has_notebook": f"omega://sessions/{session}/notebook" in listed,
                    "x": json.loads(variables.contents[0].text)["x"]["preview"],
                    "wrong": [wrong.is_error, wrong.content[0].text],
                    "unknown": unknown,
                    "session": session,
                }
            )
        )


asyncio.run(main())

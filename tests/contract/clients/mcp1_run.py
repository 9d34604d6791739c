"""The first major version of the official MCP client on the gateway, by both transports.

argv[1] is a Python with the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any

from mcp import ClientSession, McpError
from mcp_transport import over_http, over_stdio
from pydantic import AnyUrl


async def on_progress(_progress: float, _total: float | None, _message: str | None) -> None:
    """A client that listens is answered in events."""


async def use(client: ClientSession) -> dict[str, Any]:
    """Everything that the gateway has for agents, and what came."""
    drawn = await client.call_tool("code_generate_chart", {"code": "print('drawn'); plt.plot([1, 2])"})
    begun = await client.call_tool("code_execute_python", {"code": "x = 5", "session": "new"})
    session = begun.content[0].text.rpartition("[New session: ")[2].removesuffix("]")
    again = await client.call_tool("code_execute_python", {"code": "x", "session": session}, progress_callback=on_progress)
    listed = [str(one.uri) for one in (await client.list_resources()).resources]
    variables = await client.read_resource(AnyUrl(f"omega://sessions/{session}/variables"))
    wrong = await client.call_tool("code_execute_python", {"cod": "x"})
    try:
        unknown = str(await client.call_tool("code_run", {}))
    except McpError as error:
        unknown = error.error.message
    return {
        "tools": [tool.name for tool in (await client.list_tools()).tools],
        "drawn": [drawn.isError, [one.type for one in drawn.content], drawn.content[0].text],
        "again": again.content[0].text,
        "has_notebook": f"omega://sessions/{session}/notebook" in listed,
        "x": json.loads(variables.contents[0].text)["x"]["preview"],
        "wrong": [wrong.isError, wrong.content[0].text],
        "unknown": unknown,
        "session": session,
    }


async def connect(transport: Any) -> dict[str, Any]:
    """Shake hands by *transport*, and use what is there."""
    async with contextlib.AsyncExitStack() as stack:
        read, write, *_ = await stack.enter_async_context(transport)
        client: ClientSession = await stack.enter_async_context(ClientSession(read, write))
        version = (await client.initialize()).protocolVersion
        return {"version": version, **await use(client)}


async def main() -> None:
    """One connection beside the other."""
    http, stdio = await asyncio.gather(connect(over_http()), connect(over_stdio(sys.argv[1])))
    print(json.dumps({"http": http, "stdio": stdio}))


asyncio.run(main())

"""FastMCP's client on the gateway."""

from __future__ import annotations

import asyncio
import json
import os

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

URL, TOKEN = os.environ["GATEWAY_URL"], os.environ["GATEWAY_TOKEN"]


async def main() -> None:
    """Call a tool, and one that fails."""
    transport = StreamableHttpTransport(f"{URL}/mcp", headers={"Authorization": f"Bearer {TOKEN}"})
    async with Client(transport) as client:
        names = [tool.name for tool in await client.list_tools()]
        drawn = await client.call_tool("code_generate_chart", {"code": "plt.plot([1, 2])"})
        failed = await client.call_tool("code_execute_python", {"code": "1/0"}, raise_on_error=False)
        print(
            json.dumps(
                {
                    "names": names,
                    "drawn": [one.type for one in drawn.content],
                    "failed": [failed.is_error, failed.content[0].text],
                }
            )
        )


asyncio.run(main())

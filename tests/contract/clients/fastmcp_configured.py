"""FastMCP's client configured by files of other agents, argv[1] a list of them as JSON: tells the tools that each finds."""

from __future__ import annotations

import asyncio
import json
import sys

from fastmcp import Client


async def main() -> None:
    """One configuration after another."""
    found = []
    for config in json.loads(sys.argv[1]):
        async with Client(config) as client:
            found.append([tool.name for tool in await client.list_tools()])
    print(json.dumps(found))


asyncio.run(main())

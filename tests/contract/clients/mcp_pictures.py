"""The official MCP client and a picture that is too large for a model: argv[1] is how it connects."""

from __future__ import annotations

import asyncio
import json
import sys

from mcp import Client
from mcp_transport import over_http

CODE = "from PIL import Image; Image.new('RGB', (3000, 20), 'red').save('a.png')"


async def main() -> None:
    """Tell what came, and read what is linked."""
    async with Client(over_http(), mode=sys.argv[1]) as mcp:
        content = (await mcp.call_tool("code_execute_python", {"code": CODE})).content
        links = [one for one in content if one.type == "resource_link"]
        read = [(await mcp.read_resource(link.uri)).contents[0].mime_type for link in links]
        print(json.dumps({"kinds": [one.type for one in content], "text": content[0].text, "read": read}))


asyncio.run(main())

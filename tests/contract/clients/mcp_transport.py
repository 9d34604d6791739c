"""How the official MCP client, of either major version, gets to the gateway."""

from __future__ import annotations

import os
from typing import Any

from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

URL, TOKEN = os.environ["GATEWAY_URL"], os.environ["GATEWAY_TOKEN"]


def over_http() -> Any:
    """By requests to the gateway."""
    client = create_mcp_http_client(headers={"Authorization": f"Bearer {TOKEN}"})
    return streamable_http_client(f"{URL}/mcp", http_client=client)


def over_stdio(python: str) -> Any:
    """By the command ``omega mcp``; *python* is one with the gateway."""
    told = {**os.environ, "OMEGA_TOKEN": TOKEN}
    return stdio_client(StdioServerParameters(command=python, args=["-m", "gateway", "mcp", "--url", URL], env=told))

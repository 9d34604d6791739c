"""The gateway's tools for models: their definitions, and what calls them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omega_client import endpoints, wire
from omega_client.async_client import AsyncClient
from omega_client.client import Client
from omega_client.results import Chart


@dataclass(frozen=True)
class ToolResult:
    """What a tool answers a model with: *text*, and *images* beside it. *session* is the id of the session it was in."""

    text: str
    images: tuple[Chart, ...] = ()
    is_error: bool = False
    session: str | None = None
    answer: Mapping[str, Any] = field(default_factory=dict, repr=False)  # it has the pictures again, as text

    def __str__(self) -> str:
        """What a model reads."""
        return self.text


def read_result(answer: Mapping[str, Any]) -> ToolResult:
    """The result in the gateway's answer."""
    images = tuple(
        Chart(base64.b64decode(block["data"]), block["mimeType"]) for block in answer["content"] if block["type"] == "image"
    )
    return ToolResult(answer["text"], images, bool(answer["isError"]), answer.get("session"), answer)


@dataclass(frozen=True)
class GatewayTool:
    """A tool of the gateway."""

    name: str
    client: Client

    def handler(self, arguments: Mapping[str, Any] | None = None, /, **more: Any) -> ToolResult:
        """Call it with *arguments*, as a mapping or by name. What a model can mend is a result with `is_error`."""
        return self.client.link.read(call_of(self.name, {**(arguments or {}), **more}), read_result)


@dataclass(frozen=True)
class AsyncGatewayTool:
    """A tool of the gateway, on asyncio."""

    name: str
    client: AsyncClient

    async def handler(self, arguments: Mapping[str, Any] | None = None, /, **more: Any) -> ToolResult:
        """Call it with *arguments*, as a mapping or by name. What a model can mend is a result with `is_error`."""
        return await self.client.link.read(call_of(self.name, {**(arguments or {}), **more}), read_result)


class ToolRegistry:
    """The tools of a gateway: `ToolRegistry(client)`, or `ToolRegistry(url, token)`."""

    def __init__(self, client_or_url: Client | str = "", token: str = "") -> None:
        self.client = client_or_url if isinstance(client_or_url, Client) else Client(client_or_url, token)
        self._names: list[str] = []

    def get_tool_definitions(self, names: Sequence[str] | None = None, format: str = "openai") -> list[dict[str, Any]]:  # noqa: A002
        """The definitions as the API *format* takes them: `openai`, `openai-responses`, `anthropic`, `gemini`, `mcp`."""
        if names is not None and not names:
            return []
        return self.client.link.read(endpoints.tools_list(format, names), read_definitions)

    def get_names(self) -> list[str]:
        """The names of all tools; the gateway is asked once."""
        if not self._names:
            self._names = names_in(self.get_tool_definitions(format="mcp"))
        return list(self._names)

    def get_tool(self, name: str) -> GatewayTool:
        """The tool *name*. KeyError if there is none."""
        return GatewayTool(known(name, self.get_names()), self.client)


class AsyncToolRegistry:
    """The tools of a gateway, on asyncio."""

    def __init__(self, client_or_url: AsyncClient | str = "", token: str = "") -> None:
        self.client = client_or_url if isinstance(client_or_url, AsyncClient) else AsyncClient(client_or_url, token)
        self._names: list[str] = []

    async def get_tool_definitions(
        self,
        names: Sequence[str] | None = None,
        format: str = "openai",  # noqa: A002
    ) -> list[dict[str, Any]]:
        """The definitions as the API *format* takes them: `openai`, `openai-responses`, `anthropic`, `gemini`, `mcp`."""
        if names is not None and not names:
            return []
        return await self.client.link.read(endpoints.tools_list(format, names), read_definitions)

    async def get_names(self) -> list[str]:
        """The names of all tools; the gateway is asked once."""
        if not self._names:
            self._names = names_in(await self.get_tool_definitions(format="mcp"))
        return list(self._names)

    async def get_tool(self, name: str) -> AsyncGatewayTool:
        """The tool *name*. KeyError if there is none."""
        return AsyncGatewayTool(known(name, await self.get_names()), self.client)


def read_definitions(answer: Any) -> list[dict[str, Any]]:
    """The definitions in the gateway's answer."""
    if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
        raise TypeError("it is no list of definitions")
    return answer


def names_in(definitions: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of tools that are defined as the Model Context Protocol has it. Raises ConnectionFailed."""
    with wire.reading():
        return [str(tool["name"]) for tool in definitions]


def known(name: str, names: Sequence[str]) -> str:
    """*name*, if it is one of *names*. Raises KeyError."""
    if name not in names:
        raise KeyError(f"There is no tool {name!r}: the tools are {', '.join(names)}")
    return name


def call_of(name: str, arguments: Mapping[str, Any]) -> Any:
    """The request of a call. What strict definitions call null was not given."""
    given = {key: value for key, value in arguments.items() if value is not None}
    timeout = given.get("timeout")
    return endpoints.tool_call(name, given, timeout / 1000 if isinstance(timeout, (int, float)) else 0.0)

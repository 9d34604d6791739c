"""What both ends of the Model Context Protocol agree on: the gateway, and ``omega mcp``, which is a client of it. Pure.

A modern message (2026-07-28) names its version in ``_meta`` and repeats in headers what proxies look at.
Sections are those of that specification.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

PREFIX: Final = "io.modelcontextprotocol/"
VERSION_KEY: Final = PREFIX + "protocolVersion"
"""Where in ``_meta`` a modern message has its version."""
VERSION_HEADER, METHOD_HEADER, NAME_HEADER = "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"
NAMED_BY: Final[Mapping[str, str]] = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The methods that repeat a parameter in Mcp-Name, and which ("Standard Request Headers")."""
FAILED: Final = 1000
"""The code of failures that are not JSON-RPC's: it is outside of what that reserves ("Error Codes")."""
_BEGIN, _END = "=?base64?", "?="
_PLAIN: Final = frozenset(map(chr, range(0x21, 0x7F)))


def meta_of(params: object) -> Mapping[str, Any]:
    """What a message with *params* says of itself."""
    meta = params.get("_meta") if isinstance(params, dict) else None
    return meta if isinstance(meta, dict) else {}


def repeated(message: object) -> dict[str, str]:
    """The headers in which a client repeats what a modern *message* says; none of a legacy one."""
    params = message.get("params") if isinstance(message, dict) else None
    version = meta_of(params).get(VERSION_KEY)
    if version is None or not isinstance(message, dict) or not isinstance(params, dict):
        return {}
    method = str(message.get("method"))
    told = {VERSION_HEADER: encoded(str(version)), METHOD_HEADER: encoded(method)}
    name = params.get(NAMED_BY.get(method, ""))
    return {**told, NAME_HEADER: encoded(name)} if isinstance(name, str) else told


def encoded(value: str) -> str:
    """*value* as a header has it: text that is not plain ASCII is base64 between markers ("Value Encoding")."""
    if value and set(value) <= _PLAIN and not _is_marked(value):
        return value
    return f"{_BEGIN}{base64.b64encode(value.encode('utf-8', 'replace')).decode()}{_END}"


def decoded(told: str) -> str:
    """The value in a header; raises ValueError for base64 that is none, or is no text."""
    if not _is_marked(told):
        return told
    try:
        return base64.b64decode(told[len(_BEGIN) : -len(_END)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("no base64 of UTF-8 text") from None


def _is_marked(value: str) -> bool:
    return value.startswith(_BEGIN) and value.endswith(_END)

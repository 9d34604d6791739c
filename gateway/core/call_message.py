"""A kernel's message that code calls a tool of the client's. Code may have written every part of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.host_tools import HostCall, is_call_id
from gateway.core.strict_json import Budget, TooMuch, clean, size_bytes


@dataclass(frozen=True, slots=True)
class CallMessage:
    """An ``omega_tool_call``."""

    call: HostCall


def parse_call(content: dict[object, object]) -> CallMessage | None:
    """The call in *content*, None if it is malformed."""
    call_id, name, given = content.get("id"), content.get("name"), content.get("input")
    if not is_call_id(call_id) or not isinstance(name, str):
        return None
    try:
        cleaned = clean(given, Budget())
    except TooMuch:
        return None
    return CallMessage(HostCall(call_id, name, cleaned, size_bytes(cleaned))) if isinstance(cleaned, dict) else None

"""Corpus 8.8, the doors of agents: tools and the Model Context Protocol, as a hostile client uses them."""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests.live import Gateway
from tests.promises.http import Knock
from tests.promises.sessions import SESSIONS, create

TOOLS, MCP = "/code-interpreter/tools", "/mcp"
MANY = 500
PLACES = ("../../etc/passwd", "/etc/passwd", "a/../../b", "%2e%2e/%2e%2e/etc/passwd", "a%00b", "\\..\\a", "..", ".", "//")
ODD: tuple[Any, ...] = (None, True, -1, 1e308, [], {}, [[[]]], "", "x" * 100_000, "\ud800", {"a": {"b": [None]}})
"""Values where another kind is wanted."""


def _ask(gateway: Gateway, message: object, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    reply = gateway.ask("POST", MCP, data, headers={"Content-Type": "application/json", **(headers or {})})
    for word in (str(gateway.state_dir), gateway.token, "Traceback", "site-packages"):
        assert word not in json.dumps(reply.body), f"{word} in {str(reply.body)[:300]}"
    return reply.status, reply.body


def _takes_no_odd_message(gateway: Gateway) -> None:
    """Whatever stands where another kind of value is wanted, the answer is the protocol's, and no fault of the gateway."""
    whole: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "code_session_files"}}
    for name, value in itertools.product(("jsonrpc", "id", "method", "params"), ODD):
        status, body = _ask(gateway, {**whole, name: value})
        assert status in (200, 400), (name, value, status)
        assert "error" in body or body["result"]["isError"], (name, value, body)
    for name, value in itertools.product(("name", "arguments", "_meta"), ODD):
        status, body = _ask(gateway, {**whole, "params": {**whole["params"], name: value}})
        assert status in (200, 400), (name, value, status)
    for method, value in itertools.product(("resources/read", "initialize", "tools/list", "notifications/cancelled"), ODD):
        params = {"uri": value, "protocolVersion": value, "cursor": value, "requestId": value}
        assert _ask(gateway, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})[0] in (200, 400, 404)
    for token in ODD:
        params = {"name": "code_execute_python", "arguments": {"code": "1"}, "_meta": {"progressToken": token}}
        accept = {"Accept": "application/json, text/event-stream"}
        assert _ask(gateway, {**whole, "params": params}, accept)[0] in (200, 400), ascii(token)
    for data in (b"", b"[" * 100_000, b"\xff", b"{}" * 10, b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}'):
        assert _ask(gateway, data)[0] == 400, data[:20]


def _leaves_its_session_nowhere(gateway: Gateway) -> None:
    """No name of a file leads out of the work directory, by a tool or as a resource."""
    session = create(gateway).id
    for place in PLACES:
        for action in ("read", "write"):
            arguments = {"session": session, "action": action, "path": place, "text": "x"}
            told = gateway.ask("POST", f"{TOOLS}/code_session_files", arguments).body
            assert told["isError"] or "\\" in place or "%" in place, (place, told)
            assert "root:" not in told["text"]
        uri = f"omega://sessions/{session}/files/{place}"
        body = _ask(gateway, {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri}})[1]
        assert "root:" not in json.dumps(body), place
    gateway.ask("DELETE", f"{SESSIONS}/{session}")


def _bears_many_cancellations(gateway: Gateway) -> None:
    """Of calls that never were, under names that nobody got; what runs meanwhile goes on."""
    session = create(gateway).id
    for about in range(MANY):
        message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": about}}
        assert _ask(gateway, message, {"Mcp-Session-Id": "a" * 32})[0] == 202
    told = gateway.ask("POST", f"{TOOLS}/code_execute_python", {"code": "print(1)", "session": session}).body
    assert told["text"] == "1", told
    gateway.ask("DELETE", f"{SESSIONS}/{session}")


AGENTS = (
    Knock("H18", _takes_no_odd_message, case="messages of agents"),
    Knock("H18", _leaves_its_session_nowhere, case="files of agents"),
    Knock("H15", _bears_many_cancellations, case="cancellations of agents"),
)

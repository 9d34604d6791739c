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


FORGED = """
import base64, json, struct
def png(width, height, more):
    data = b"\\x89PNG\\r\\n\\x1a\\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(more)
    return base64.b64encode(data).decode()
def small(**changed):
    return {"mimeType": "image/png", "base64": png(9, 9, 0), "width": 9, "height": 9, "full": [9, 9], **changed}
for form in (
    small(base64=png(9, 9, 300_000)), small(base64=png(9000, 9, 0)), small(base64="<script>"), small(mimeType="text/html"),
    small(mimeType="image/jpeg"), small(mimeType="image/svg+xml", base64=base64.b64encode(b"<svg/>").decode()),
    small(width=-1), small(full=[1e9, "x"]), small(base64=png(1, 1, 0)), small(base64=png(0, 0, 0)), [], "x", None,
):
    bundle = {"image/png": png(9, 9, 300_000), "application/vnd.omega.small+json": form}
    get_ipython().kernel.publish("display_data", {"data": bundle, "metadata": {}, "transient": {}})
for kind, whole in (
    ("image/png", png(0, 0, 0)), ("image/png", png(2001, 1, 0)),
    ("image/jpeg", base64.b64encode(b"\\xff\\xd8\\xff\\xe0" + bytes(99)).decode()),
):
    get_ipython().kernel.publish("display_data", {"data": {kind: whole}, "metadata": {}, "transient": {}})
"""
"""Shows pictures that are too large, each beside a small form that is none, and small ones that no service takes."""


def _shows_no_forged_picture(gateway: Gateway) -> None:
    """A small form that is large, of another type, or not of the sides it tells is none: the model reads that it can't see
    the picture. So it does of one without sides."""
    for tool in ("code_execute_python", "code_generate_chart"):
        told = gateway.ask("POST", f"{TOOLS}/{tool}", {"code": FORGED}).body
        assert [block["type"] for block in told["content"]] == ["text"], told["text"]
        assert told["text"].count("can't be shown here. For the user: ") == 16, told["text"]


def _links_for_nobody_else(gateway: Gateway) -> None:
    """A link that is changed in any way leads nowhere, and its secret opens no other door."""
    code = "from PIL import Image\nfor n in (1, 2): Image.new('RGB', (30, n)).save(f'{n}.gif')"
    first, second = gateway.ask("POST", f"{TOOLS}/code_execute_python", {"code": code}).body["links"]
    path, _, secret = first["uri"].removeprefix(gateway.url).partition("?secret=")
    other = second["uri"].partition("?secret=")[2]
    nobody = {"Authorization": ""}
    assert gateway.ask("GET", f"{path}?secret={secret}", headers=nobody).status == 200
    for wrong in (other, secret[:-1], secret.swapcase(), secret + "a", "", "%00", "*", f"{secret}&secret=x"):
        assert gateway.ask("GET", f"{path}?secret={wrong}", headers=nobody).status == 404, wrong
    for place in (f"{path[:-1]}2", f"{path}/0", f"{path[:-1]}-0", f"{path[:-1]}%30%30", path.replace("/runs/", "/runs/x")):
        assert gateway.ask("GET", f"{place}?secret={secret}", headers=nobody).status in (401, 404), place
    for door in ("/code-interpreter/sessions", "/metrics", "/openapi.json"):
        assert gateway.ask("GET", f"{door}?secret={secret}", headers=nobody).status == 401, door


AGENTS = (
    Knock("H18", _shows_no_forged_picture, case="pictures of agents"),
    Knock("H07", _links_for_nobody_else, case="links of agents"),
    Knock("H18", _takes_no_odd_message, case="messages of agents"),
    Knock("H18", _leaves_its_session_nowhere, case="files of agents"),
    Knock("H15", _bears_many_cancellations, case="cancellations of agents"),
)

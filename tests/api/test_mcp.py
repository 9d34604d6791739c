"""The Model Context Protocol over HTTP, in both eras: what is found, called, read, cancelled and refused."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.test_keys import add
from tests.live import HANG_S, Gateway, Reply

pytestmark = pytest.mark.kernel

PREFIX = "io.modelcontextprotocol/"
META = {PREFIX + "protocolVersion": "2026-07-28", PREFIX + "clientInfo": {"name": "t", "version": "1"}}
BOTH = "application/json, text/event-stream"
NAMED_BY = {"tools/call": "name", "resources/read": "uri"}


def legacy(gateway: Gateway, method: str, headers: dict[str, str] | None = None, **params: object) -> Reply:
    """The answer to a request of the legacy era."""
    return gateway.ask(
        "POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers=headers or {}
    )


def modern(gateway: Gateway, method: str, headers: dict[str, str] | None = None, **params: object) -> Reply:
    """The answer to a request of the modern era."""
    told = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Accept": BOTH}
    if method in NAMED_BY:
        told["Mcp-Name"] = str(params[NAMED_BY[method]])
    return legacy(gateway, method, {**told, **(headers or {})}, _meta=META, **params)


def result(reply: Reply) -> Any:
    """The result in an answer that has one."""
    assert reply.status == 200, reply
    return reply.body["result"]


def call(gateway: Gateway, tool: str, **arguments: object) -> Any:
    """The result of a tool."""
    return result(modern(gateway, "tools/call", name=tool, arguments=arguments))


@pytest.fixture
def session(gateway: Gateway) -> Iterator[str]:
    """A session that a tool began; it has a variable and two files."""
    code = "x = 5; open('a b.txt', 'w').write('hé'); open('raw', 'wb').write(b'\\xff')"
    text = call(gateway, "code_execute_python", code=code, session="new")["content"][0]["text"]
    begun = text.rpartition("[New session: ")[2].removesuffix("]")
    yield begun
    gateway.ask("DELETE", f"/code-interpreter/sessions/{begun}")


def test_a_modern_client_needs_no_handshake(gateway: Gateway) -> None:
    """It may ask what there is, and how long the answer holds."""
    found = result(modern(gateway, "server/discover"))
    assert found["supportedVersions"][0] == "2026-07-28"
    assert found["capabilities"] == {"tools": {}, "resources": {}}
    assert (found["resultType"], found["cacheScope"]) == ("complete", "private")
    assert found["_meta"][PREFIX + "serverInfo"]["name"] == "omega-gateway"


@pytest.mark.parametrize(
    ("wanted", "given"), [("2024-11-05", "2024-11-05"), ("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")]
)
def test_a_legacy_client_shakes_hands(gateway: Gateway, wanted: str, given: str) -> None:
    """It gets the version it wants, or the newest of its era."""
    reply = legacy(gateway, "initialize", protocolVersion=wanted, capabilities={}, clientInfo={"name": "t", "version": "1"})
    assert result(reply)["protocolVersion"] == given
    assert reply.headers["Mcp-Session-Id"]
    assert gateway.ask("POST", "/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"}).status == 202
    assert result(legacy(gateway, "ping")) == {}


def test_tools_are_listed_alike_in_both_eras(gateway: Gateway) -> None:
    """Without an output schema: clients would hide text and pictures from models for it."""
    tools = result(modern(gateway, "tools/list"))["tools"]
    assert tools == result(legacy(gateway, "tools/list"))["tools"]
    assert [tool["name"] for tool in tools][:4] == [
        "code_execute_python",
        "code_execute_javascript",
        "code_generate_chart",
        "code_analyze_data",
    ]
    assert all("outputSchema" not in tool and tool["inputSchema"]["type"] == "object" for tool in tools)


def test_a_call_answers_in_words_and_pictures(gateway: Gateway) -> None:
    """A run that fails is an answer too, for the model to read."""
    drawn = call(gateway, "code_generate_chart", code="print('drawn'); plt.plot([1, 2])")
    assert drawn["isError"] is False
    assert "structuredContent" not in drawn
    text, image = drawn["content"]
    assert "drawn" in text["text"]
    assert base64.b64decode(image["data"], validate=True).startswith(b"\x89PNG")
    failed = call(gateway, "code_execute_python", code="1/0")
    assert failed["isError"] is True
    assert failed["content"][0]["text"].endswith("ZeroDivisionError: division by zero")
    wrong = call(gateway, "code_execute_python", cod="1")
    assert wrong["isError"] is True
    assert wrong["content"][0]["text"].startswith("There is no argument 'cod'; ")


def test_a_picture_in_full_is_linked_and_can_be_read(gateway: Gateway) -> None:
    """In the text for everybody, and as a resource for modern clients; the older do not know links. Only by its own key."""
    code = "from PIL import Image; Image.new('RGB', (3000, 20), 'red').save('a.png')"
    text, image, link = call(gateway, "code_execute_python", code=code)["content"]
    assert image["mimeType"] == "image/png"
    assert (link["type"], link["name"], link["mimeType"]) == ("resource_link", "chart-0.png", "image/png")
    assert f"3000x20, for the user: {link['uri']}]" in text["text"]
    (contents,) = result(modern(gateway, "resources/read", uri=link["uri"]))["contents"]
    data = base64.b64decode(contents["blob"], validate=True)
    assert (len(data), contents["mimeType"]) == (link["size"], "image/png")
    other = add(gateway, "reads-pictures")
    for asks, uri in ((other, link["uri"]), (gateway, link["uri"].replace("/charts/0", "/charts/7"))):
        assert modern(asks, "resources/read", uri=uri).body["error"]["code"] == -32602
    told = result(legacy(gateway, "tools/call", name="code_execute_python", arguments={"code": code}))["content"]
    assert [block["type"] for block in told] == ["text", "image"]
    assert "3000x20, for the user: http" in told[0]["text"]


def test_a_session_can_be_read(gateway: Gateway, session: str) -> None:
    """Its notebook, its variables, and its files as text or bytes."""
    listed = [one["uri"] for one in result(modern(gateway, "resources/list"))["resources"]]
    base = f"omega://sessions/{session}"
    assert {f"{base}/notebook", f"{base}/variables", f"{base}/files"} <= set(listed)

    def read(rest: str) -> Any:
        (contents,) = result(modern(gateway, "resources/read", uri=f"{base}/{rest}"))["contents"]
        return contents

    assert json.loads(read("notebook")["text"])["cells"][0]["source"].startswith("x = 5")
    assert json.loads(read("variables")["text"])["x"]["preview"] == "5"
    files = {entry["path"]: entry["uri"] for entry in json.loads(read("files")["text"])}
    assert files == {"a b.txt": f"{base}/files/{quote('a b.txt')}", "raw": f"{base}/files/raw"}
    assert read("files/a%20b.txt")["text"] == "hé"
    assert read("files/raw")["blob"] == "/w=="
    templates = result(modern(gateway, "resources/templates/list"))["resourceTemplates"]
    assert "omega://sessions/{id}/files/{+path}" in [one["uriTemplate"] for one in templates]


@pytest.mark.parametrize("rest", ["notebook", "variables", "files", "files/none", "files/../../etc/passwd", "nothing"])
def test_what_is_not_there_cannot_be_read(gateway: Gateway, session: str, rest: str) -> None:
    """A session of nobody, a file that is none."""
    owner = session if rest.startswith(("files/", "nothing")) else "0" * 32
    uri = f"omega://sessions/{owner}/{rest}"
    new, old = modern(gateway, "resources/read", uri=uri), legacy(gateway, "resources/read", uri=uri)
    if ".." in rest:
        assert "error" in new.body
        return
    assert (new.status, new.body["error"]["code"]) == (400, -32602)
    assert (old.status, old.body["error"]["code"]) == (200, -32002)


@pytest.mark.parametrize(
    ("method", "params", "code", "statuses"),
    [
        ("prompts/list", {}, -32601, (404, 200)),
        ("tools/call", {"name": "code_run", "arguments": {}}, -32602, (400, 200)),
        ("tools/call", {"name": "code_execute_python", "arguments": []}, -32602, (400, 200)),
    ],
)
def test_a_fault_of_the_client_is_a_protocol_error(
    gateway: Gateway, method: str, params: dict[str, Any], code: int, statuses: tuple[int, int]
) -> None:
    """No model can mend it."""
    for reply, status in zip((modern(gateway, method, **params), legacy(gateway, method, **params)), statuses, strict=True):
        assert (reply.status, reply.body["error"]["code"]) == (status, code)


def test_what_is_no_message_is_refused_in_the_protocol_s_form(gateway: Gateway) -> None:
    """Also without a token, and by GET."""
    assert gateway.ask("POST", "/mcp", [1]).body["error"]["code"] == -32700
    assert gateway.ask("POST", "/mcp", {"jsonrpc": "1.0"}).body["error"]["code"] == -32600
    reply = modern(gateway, "tools/list", {"Mcp-Method": "ping"})
    assert (reply.status, reply.body["error"]["code"]) == (400, -32020)
    for method in ("GET", "DELETE"):
        reply = gateway.ask(method, "/mcp")
        assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    reply = gateway.ask("POST", "/mcp", {}, headers={"Authorization": ""})
    assert (reply.status, reply.headers["Www-Authenticate"]) == (401, 'Bearer realm="omega"')
    assert reply.body["error"]["data"]["code"] == "unauthorized"
    assert gateway.ask("POST", "/mcp", {}, headers={"Origin": "https://evil.example"}).status == 403


@pytest.mark.parametrize("name", ["oauth-protected-resource/mcp", "oauth-authorization-server", "openid-configuration"])
def test_nobody_is_sent_to_sign_in_elsewhere(gateway: Gateway, name: str) -> None:
    """A client without a token asks here how to get one: an answer of 401 would have it ask for ever."""
    answer = gateway.ask("GET", f"/.well-known/{name}", headers={"Authorization": ""})
    assert (answer.status, answer.body["error"]["code"]) == (404, "not_found")
    assert gateway.ask("GET", "/.nothing", headers={"Authorization": ""}).status == 401


def test_a_call_with_a_progress_token_is_answered_in_events(gateway: Gateway) -> None:
    """The last one has the result; how often the others come is the gateway's affair."""
    arguments = {"code": "print('late')"}
    body = {"name": "code_execute_python", "arguments": arguments, "_meta": {**META, "progressToken": "p"}}
    message = {"jsonrpc": "2.0", "id": "one", "method": "tools/call", "params": body}
    told = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "code_execute_python"}
    reply = gateway.ask("POST", "/mcp", message, headers={**told, "Accept": BOTH})
    assert reply.headers["Content-Type"] == "text/event-stream"
    events = [json.loads(line.removeprefix("data: ")) for line in str(reply.body).splitlines() if line.startswith("data: ")]
    assert events[-1]["id"] == "one"
    assert events[-1]["result"]["content"][0]["text"] == "late"
    assert all(event["params"]["progressToken"] == "p" for event in events[:-1])
    alone = gateway.ask("POST", "/mcp", message, headers={**told, "Accept": "application/json"})
    assert alone.body["result"]["content"][0]["text"] == "late"


def test_a_client_that_goes_ends_its_call(gateway: Gateway, session: str) -> None:
    """Closing the connection cancels: the session is free for the next call long before the first would have ended."""
    arguments = {"code": "import time; time.sleep(200)", "session": session, "timeout": 250_000}
    params = {"name": "code_execute_python", "arguments": arguments}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    with socket.create_connection(("127.0.0.1", gateway.port)) as line:
        line.sendall(
            b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (gateway.token.encode(), len(body), body)
        )
        _until_busy(gateway, session)
    assert call(gateway, "code_execute_python", code="x", session=session)["content"][0]["text"] == "5"


def test_a_legacy_client_cancels_by_a_message(gateway: Gateway, session: str) -> None:
    """In the name of the header it got; another client's message does nothing."""
    reply = legacy(gateway, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={})
    mine = {"Mcp-Session-Id": reply.headers["Mcp-Session-Id"]}
    arguments = {"code": "import time; time.sleep(200)", "session": session, "timeout": 250_000}
    params = {"name": "code_execute_python", "arguments": arguments}
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}).encode()
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=HANG_S) as line:
        line.sendall(
            b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nMcp-Session-Id: %s\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
            % (mine["Mcp-Session-Id"].encode(), gateway.token.encode(), len(body), body)
        )
        _until_busy(gateway, session)
        assert gateway.ask("POST", "/mcp", cancelled).status == 202
        assert _state(gateway, session) == "busy"
        assert gateway.ask("POST", "/mcp", cancelled, headers=mine).status == 202
        assert b'"The client cancelled the call."' in line.recv(65_536)
    assert call(gateway, "code_execute_python", code="x", session=session)["content"][0]["text"] == "5"


def _state(gateway: Gateway, session: str) -> str:
    return str(gateway.ask("GET", f"/code-interpreter/sessions/{session}").body["state"])


def _until_busy(gateway: Gateway, session: str) -> None:
    """Return once the session runs something."""
    deadline = time.monotonic() + HANG_S
    while _state(gateway, session) != "busy":
        assert time.monotonic() < deadline, "the run does not begin"
        time.sleep(0.02)  # another process begins it

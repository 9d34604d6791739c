"""Messages of both eras: which are taken, and with which code the others are refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gateway.core.errors import Busy
from gateway.core.model import Json
from gateway.web.mcp import messages
from gateway.web.mcp.messages import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    RESOURCE_NOT_FOUND,
    UNSUPPORTED_VERSION,
    ClientMessage,
    RpcError,
    parse,
)

VERSION = "io.modelcontextprotocol/protocolVersion"


def asked(method: str = "tools/list", **params: Json) -> dict[str, Any]:
    """A legacy request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def modern(method: str = "tools/list", version: str = "2026-07-28", **params: Json) -> dict[str, Any]:
    """A modern request."""
    return asked(method, _meta={VERSION: version}, **params)


def headers(method: str = "tools/list", name: str | None = None, version: str = "2026-07-28") -> dict[str, str]:
    """The headers of a modern request."""
    told = {"MCP-Protocol-Version": version, "Mcp-Method": method}
    return told if name is None else {**told, "Mcp-Name": name}


def test_a_request_of_either_era_is_taken() -> None:
    """The modern one says its version in the body and its method in a header."""
    assert parse(asked(), {}) == ClientMessage("tools/list", {}, 1, is_modern=False)
    assert parse(asked(), {"MCP-Protocol-Version": "2025-06-18"}) == ClientMessage("tools/list", {}, 1, is_modern=False)
    taken = parse(modern(), headers())
    assert taken is not None
    assert (taken.method, taken.id, taken.is_modern) == ("tools/list", 1, True)


@pytest.mark.parametrize("name", ["code_run", "=?base64?" + base64.b64encode(b"code_run").decode() + "?="])
def test_a_name_is_repeated_in_a_header(name: str) -> None:
    """As it is, or in base64 if a header cannot hold it."""
    assert parse(modern("tools/call", name="code_run"), headers("tools/call", name)) is not None


@pytest.mark.parametrize(
    ("body", "told", "code", "status"),
    [
        ([], {}, INVALID_REQUEST, 400),
        ({"id": 1, "method": "ping"}, {}, INVALID_REQUEST, 400),
        ({"jsonrpc": "2.0", "id": 1}, {}, INVALID_REQUEST, 400),
        ({"jsonrpc": "2.0", "id": 1, "method": 5}, {}, INVALID_REQUEST, 400),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, {}, INVALID_REQUEST, 400),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, {}, INVALID_REQUEST, 400),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, {}, INVALID_REQUEST, 400),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}, {}, INVALID_PARAMS, 400),
        (asked(), {"MCP-Protocol-Version": "1999-01-01"}, UNSUPPORTED_VERSION, 400),
        (asked(), {"MCP-Protocol-Version": "2026-07-28"}, HEADER_MISMATCH, 400),
        (modern(version="1999-01-01"), headers(version="1999-01-01"), UNSUPPORTED_VERSION, 400),
        (modern(version="2025-11-25"), headers(version="2025-11-25"), UNSUPPORTED_VERSION, 400),
        (modern(), {}, HEADER_MISMATCH, 400),
        (modern(), headers(version="2025-11-25"), HEADER_MISMATCH, 400),
        (modern(), headers("ping"), HEADER_MISMATCH, 400),
        (modern("tools/call", name="a"), headers("tools/call"), HEADER_MISMATCH, 400),
        (modern("tools/call", name="a"), headers("tools/call", "b"), HEADER_MISMATCH, 400),
        (modern("tools/call"), headers("tools/call", "b"), HEADER_MISMATCH, 400),
        (modern("tools/call", name="a"), headers("tools/call", "=?base64?%?="), HEADER_MISMATCH, 400),
        (modern("tools/call", name="a"), headers("tools/call", "=?base64?/w==?="), HEADER_MISMATCH, 400),
    ],
)
def test_what_is_no_message_is_refused_by_its_code(body: Json, told: dict[str, str], code: int, status: int) -> None:
    """Before anything happens."""
    with pytest.raises(RpcError) as refused:
        parse(body, told)
    assert (refused.value.code, refused.value.status) == (code, status)


def test_an_unknown_version_is_told_the_known_ones() -> None:
    """So that the client can go on with one of them."""
    with pytest.raises(RpcError) as refused:
        parse(modern(version="1999-01-01"), headers(version="1999-01-01"))
    answer: Any = messages.error_message(refused.value)
    assert answer["error"]["data"] == {"supported": [*messages.MODERN, *messages.LEGACY], "requested": "1999-01-01"}
    assert answer["id"] == 1


def test_notifications_and_answers_ask_for_nothing() -> None:
    """A notification needs no headers; nobody asked for an answer."""
    taken = parse({"jsonrpc": "2.0", "method": "notifications/initialized"}, {})
    assert taken == ClientMessage("notifications/initialized", {}, None, is_modern=False)
    assert parse({"jsonrpc": "2.0", "id": 1, "result": {}}, {}) is None
    assert parse({"jsonrpc": "2.0", "id": 1, "error": {}}, {}) is None


@pytest.mark.parametrize(
    ("token", "known"), [("t", "t"), (0, 0), (7, 7), (True, None), (None, None), (1.5, None), ({"a": 1}, None)]
)
def test_a_progress_token_is_text_or_a_whole_number(token: Json, known: object) -> None:
    """Anything else is none."""
    taken = parse(asked("tools/call", _meta={"progressToken": token}), {})
    assert taken is not None
    assert taken.progress_token == known


def test_each_era_has_its_own_answers() -> None:
    """Modern results say that they are whole, and who gave them; statuses and codes differ."""
    new, old = parse(modern(), headers()), parse(asked(), {})
    assert new is not None
    assert old is not None
    assert messages.result_message(old, {"a": 1}, version="1") == {"jsonrpc": "2.0", "id": 1, "result": {"a": 1}}
    whole: Any = messages.result_message(new, {"a": 1}, version="1")["result"]
    assert whole["resultType"] == "complete"
    assert whole["_meta"]["io.modelcontextprotocol/serverInfo"]["version"] == "1"
    assert [(messages.unknown_method(one).code, messages.unknown_method(one).status) for one in (new, old)] == [
        (METHOD_NOT_FOUND, 404),
        (METHOD_NOT_FOUND, 200),
    ]
    assert [messages.no_resource(one, "no").code for one in (new, old)] == [INVALID_PARAMS, RESOURCE_NOT_FOUND]


def test_a_failure_of_the_gateway_has_a_code_that_nobody_reserves() -> None:
    """And its own name beside it."""
    told: Any = messages.failure(Busy("full"))
    assert "id" not in told
    assert told["error"]["message"] == "full"
    assert not -32768 <= told["error"]["code"] <= -32000
    assert told["error"]["data"] == {"type": "Busy", "code": "busy"}

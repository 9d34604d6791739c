"""Answers that are none, of a gateway and of a model's API: the errors of this library say what was wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import omega_client as omega
from omega_client.registry import GatewayTool
from tests.clients.python import peer
from tests.clients.python.both import Both
from tests.clients.python.peer import STREAM_END, STREAM_HEAD, Asked, chunk, document, reply

DEEP = b"[" * 20_000
NOT_ANSWERS = (b"null", b"[]", b"[1]", b"1", b'"x"', b"{}", DEEP, b"{")
MALFORMED = pytest.mark.parametrize("body", NOT_ANSWERS, ids=lambda body: repr(body[:8]))
USES: dict[str, Callable[[omega.Client], object]] = {
    "run": lambda client: client.run("1"),
    "create_session": lambda client: client.create_session(),
    "sessions": lambda client: client.sessions(),
    "call a tool": lambda client: GatewayTool("code_python", client).handler(),
}
WRONG_PARTS: tuple[dict[str, Any], ...] = (
    {"error": 5},
    {"results": [None]},
    {"results": 5},
    {"charts": [{}]},
    {"charts": [{"base64": "A", "mimeType": "x"}]},
    {"variables": [1]},
    {"fetched": {"files": [{}]}},
)


@MALFORMED
@pytest.mark.parametrize("use", USES)
def test_an_answer_of_a_gateway_may_be_anything(body: bytes, use: str) -> None:
    """A list or a document without the fields that are read, too."""
    told = pytest.raises((omega.ConnectionFailed, omega.ApiError))
    with peer.peer(lambda _: [reply(body)]) as served, omega.Client(served.url, "t", max_retries=0) as client, told:
        USES[use](client)


@pytest.mark.parametrize("part", WRONG_PARTS, ids=str)
def test_any_part_of_a_run_may_be_anything(both: Both, part: dict[str, Any]) -> None:
    """It is told where the answer is read, not where the part is used."""
    with (
        peer.peer(lambda _: [document({"success": True, **part})]) as served,
        pytest.raises(omega.ConnectionFailed, match="not as documented"),
    ):
        both.run(served.url, "1")


@pytest.mark.parametrize(
    "part", [{}, {"continuation": "/x", "toolCalls": [None]}, {"continuation": 1, "toolCalls": []}], ids=str
)
def test_what_asks_for_calls_may_be_anything(part: dict[str, Any]) -> None:
    """In turns."""
    answer = document({"status": "tool_call_required", **part})
    told = pytest.raises(omega.ConnectionFailed, match="not as documented")
    with peer.peer(lambda _: [answer]) as served, omega.Client(served.url, "t") as client, told:
        client.run("1", tools=[print_nothing])


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"[{}]", b"5"])
def test_a_list_of_tools_may_be_anything(body: bytes) -> None:
    """Their names are read."""
    told = pytest.raises(omega.ConnectionFailed, match="not as documented")
    with peer.peer(lambda _: [reply(body)]) as served, omega.Client(served.url, "t") as client, told:
        omega.ToolRegistry(client).get_names()


@pytest.mark.parametrize(
    "data",
    [*NOT_ANSWERS, b'{"type": "tool_call"}', b'{"type": "error", "error": 5}', b'{"type": "done"}', b'{"type": ["chart"]}'],
    ids=lambda data: repr(data[:24]),
)
def test_an_event_of_a_gateway_may_be_anything(both: Both, data: bytes) -> None:
    """In a stream."""

    def handler(_: Asked) -> Iterator[bytes]:
        yield STREAM_HEAD
        yield chunk(b"data: " + data + b"\n\n")
        yield STREAM_END

    with peer.peer(handler) as served, pytest.raises(omega.ConnectionFailed):
        both.stream(served.url, "1", tools=[print_nothing])


@omega.tool
def print_nothing() -> None:
    """Do nothing."""


OF_MODELS = (
    *NOT_ANSWERS,
    b'{"choices": 5}',
    b'{"choices": [null]}',
    b'{"content": 5}',
    b'{"output": [5]}',
    b'{"candidates": 5}',
)


@pytest.mark.parametrize("provider", ["openai", "openai-responses", "anthropic", "gemini"])
@pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])
@pytest.mark.parametrize("body", OF_MODELS, ids=lambda body: repr(body[:16]))
def test_an_answer_of_a_model_may_be_anything(both: Both, provider: str, stream: bool, body: bytes) -> None:
    """Of each API; a stream of it is an event, and the end."""
    answer = STREAM_HEAD + chunk(b"data: " + body + b"\n\n") + STREAM_END if stream else reply(body)
    with peer.peer(lambda _: [answer]) as served:
        try:
            _, told = both.converse(provider, served.url, "Go.", [], model="m", api_key="k", stream=stream)
        except (omega.ModelError, omega.ConnectionFailed):
            return
        assert told.text == ""

"""The endpoint of the Model Context Protocol over HTTP, with runs that a test holds."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from gateway.core.errors import Busy, TooManyRequests
from gateway.core.fold import Completed, fold
from gateway.core.model import Json, Raised
from gateway.core.request import RunRequest
from gateway.web.mcp import endpoint, messages
from tests.gateway.web.world import TOKEN, Gateway, json_of
from tests.live import HANG_S

CALL = {"name": "code_execute_python", "arguments": {"code": "1"}}


def request(token: object = None) -> dict[str, Any]:
    """A legacy call, which wants to know of its progress if there is a *token*."""
    meta = {} if token is None else {"_meta": {"progressToken": token}}
    return {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {**CALL, **meta}}


def events_in(body: bytes) -> list[Any]:
    """The messages in a stream of events."""
    return [orjson.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: ")]


async def test_a_long_call_tells_that_it_goes_on(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Again and again, under the client's token and with numbers that grow, until the result ends the stream."""
    monkeypatch.setattr(endpoint, "PROGRESS_S", 0.01)
    told, tell = [], messages.progress_message

    def counted(token: str | int, seconds: float) -> Any:
        told.append(seconds)
        return tell(token, seconds)

    monkeypatch.setattr(messages, "progress_message", counted)
    gateway.runner.waits_for = asyncio.Event()
    asked = asyncio.ensure_future(
        gateway.ask("/mcp", request("p"), headers={"Accept": "application/json, text/event-stream"})
    )
    await gateway.runner.started.wait()
    while len(told) < 3:  # noqa: ASYNC110  # the endpoint has no event for it
        await asyncio.sleep(0.01)
    gateway.runner.waits_for.set()
    *progress, last = events_in((await asked).body)
    assert len(progress) >= 2
    assert {event["method"] for event in progress} == {"notifications/progress"}
    assert {event["params"]["progressToken"] for event in progress} == {"p"}
    numbers = [event["params"]["progress"] for event in progress]
    assert numbers == sorted(set(numbers))
    assert (last["id"], last["result"]["isError"]) == (3, False)


@pytest.mark.parametrize(("token", "accept"), [(None, "application/json, text/event-stream"), ("p", "application/json")])
async def test_without_a_token_or_a_word_for_events_the_answer_is_json(gateway: Gateway, token: object, accept: str) -> None:
    """One answer, when the call is over."""
    response = await gateway.ask("/mcp", request(token), headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith("application/json")
    assert json_of(response)["id"] == 3


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Busy("All kernels are in use.", retry_after_s=2.0), "All kernels are in use. Try again in 2 s."),
        (TooManyRequests("Too many runs."), "Too many runs."),
    ],
)
async def test_a_gateway_that_is_busy_says_so_to_the_agent(gateway: Gateway, error: Exception, says: str) -> None:
    """Its connection and its conversation go on."""

    def refuse(_request: RunRequest) -> Any:
        raise error

    gateway.runner.answer = refuse
    answer: Any = json_of(await gateway.ask("/mcp", request()))
    assert answer["result"] == {"content": [{"type": "text", "text": says}], "isError": True}


async def test_a_fault_of_the_gateway_tells_nothing_but_its_number(gateway: Gateway) -> None:
    """In the form of the protocol."""

    def fail(_request: RunRequest) -> Any:
        raise RuntimeError("secret")

    gateway.runner.answer = fail
    for headers in ({}, {"Accept": "text/event-stream"}):
        response = await gateway.ask("/mcp", request("p"), headers=headers)
        assert response.code == 500
        assert b"secret" not in response.body
        told: Any = json_of(response)
        assert (told["id"], told["error"]["data"]["code"]) == (3, "internal")


async def test_a_fault_after_the_first_progress_ends_the_call(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an error of the protocol, and a line in the log: the status is sent already."""
    monkeypatch.setattr(endpoint, "PROGRESS_S", 0.01)
    is_told, tell = asyncio.Event(), messages.progress_message

    def noted(token: str | int, seconds: float) -> Any:
        is_told.set()
        return tell(token, seconds)

    def fail(_request: RunRequest) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(messages, "progress_message", noted)
    gateway.runner.waits_for, gateway.runner.answer = is_told, fail
    with capture_logs() as logged:
        response = await gateway.ask("/mcp", request("p"), headers={"Accept": "text/event-stream"})
    *progress, last = events_in(response.body)
    assert (response.code, len(progress) > 0) == (200, True)
    assert b"secret" not in response.body
    assert (last["id"], last["error"]["data"]["code"]) == (3, "internal")
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["request failed"]


async def test_variables_that_cannot_be_listed_are_a_failure(gateway: Gateway) -> None:
    """Not a session without variables."""
    gateway.runner.answer = lambda _request: fold([Raised("KeyboardInterrupt", "", "")], Completed())
    uri = f"omega://sessions/{'0' * 32}/variables"
    read: dict[str, Json] = {"jsonrpc": "2.0", "id": 4, "method": "resources/read", "params": {"uri": uri}}
    told: Any = json_of(await gateway.ask("/mcp", read))
    assert (told["id"], told["error"]["code"]) == (4, 1000)
    assert told["error"]["message"].startswith("The variables can't be listed: KeyboardInterrupt")


async def test_a_client_that_hangs_up_cancels_its_call(gateway: Gateway) -> None:
    """Also in the middle of a stream of events."""
    gateway.runner.waits_for = asyncio.Event()
    body = orjson.dumps(request("p"))
    _reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (TOKEN.encode(), len(body), body)
    )
    await gateway.runner.started.wait()
    writer.close()
    await asyncio.wait_for(gateway.runner.cancelled.wait(), HANG_S)

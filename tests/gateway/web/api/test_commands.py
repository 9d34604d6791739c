"""The endpoints of commands, with commands that are plain processes of this machine."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from tornado.httpclient import HTTPResponse

from gateway.core.model import Json
from tests.gateway.web.api.test_sandboxes import create
from tests.gateway.web.world import Gateway, json_of

STREAM = {"Accept": "text/event-stream"}


def events_of(response: HTTPResponse) -> list[Any]:
    """The events of an answer; each has its number before it."""
    found = []
    for block in response.body.decode().split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        event = orjson.loads(lines["data"])
        assert (lines["id"], lines["event"]) == (str(event["seq"]), event["type"])
        found.append(event)
    return found


async def start(gateway: Gateway, **asked: Json) -> str:
    """The address of a command that runs in a new sandbox."""
    commands = f"{await create(gateway)}/commands"
    response = await gateway.ask(commands, {"background": True, **asked})
    answer = json_of(response)
    assert (response.code, answer["success"], answer["state"], answer["exitCode"]) == (200, True, "running", None), answer
    assert "stdout" not in answer
    return f"{commands}/{answer['id']}"


async def test_a_command_answers_at_its_end(gateway: Gateway) -> None:
    """With both outputs, its code, and whether that was 0."""
    commands = f"{await create(gateway, env={'A': '1'})}/commands"
    answer = json_of(await gateway.ask(commands, {"command": "echo $A; echo e >&2; exit 3"}))
    assert isinstance(answer.pop("executionTime"), int)
    assert isinstance(answer.pop("pid"), int)
    assert answer.pop("startedAt")
    assert answer == {
        "success": False,
        "id": answer["id"],
        "command": "echo $A; echo e >&2; exit 3",
        "cwd": "",
        "state": "ended",
        "exitCode": 3,
        "signal": None,
        "timedOut": False,
        "stdout": "1\n",
        "stderr": "e\n",
        "truncated": False,
    }
    listed = json_of(await gateway.ask(commands))["commands"]
    assert isinstance(listed, list)
    assert [one["id"] for one in listed if isinstance(one, dict)] == [answer["id"]]
    later = json_of(await gateway.ask(f"{commands}/{answer['id']}"))
    assert (later["stdout"], later["exitCode"]) == ("1\n", 3)
    plain = json_of(await gateway.ask(commands, {"command": ["printf", "%s|", "a b", "$A"], "stdin": "x"}))
    assert (plain["success"], plain["stdout"], plain["command"]) == (True, "a b|$A|", "printf %s| a b $A")
    late = json_of(await gateway.ask(commands, {"command": "sleep 1000", "timeout": 50}))
    assert (late["exitCode"], late["signal"], late["timedOut"], late["success"]) == (137, "SIGKILL", True, False)
    assert (await gateway.ask(commands, {"command": ["no-such-program"]})).code == 400
    assert (await gateway.ask(f"{commands}/none")).code == 404


async def test_a_command_in_the_background_takes_input_and_signals(gateway: Gateway) -> None:
    """Its id comes at once; what it says can be read at any time."""
    address = await start(gateway, command="while read line; do echo got $line; done; sleep 1000", stdinOpen=True)
    assert (await gateway.ask(f"{address}/stdin", {"text": "one\n"})).code == 200
    assert (await gateway.ask(f"{address}/stdin", {"text": "two\n", "close": True})).code == 200
    assert (await gateway.ask(f"{address}/stdin", {"text": "three\n"})).code == 409
    telling = asyncio.create_task(gateway.ask(f"{address}/events"))
    while "two" not in str(json_of(await gateway.ask(address))["stdout"]):
        pass
    assert (await gateway.ask(f"{address}/signal", b"")).code == 200
    *said, done = events_of(await telling)
    assert "".join(event["text"] for event in said) == "got one\ngot two\n"
    assert (done["type"], done["exitCode"], done["signal"], done["success"]) == ("done", 143, "SIGTERM", False)
    assert (await gateway.ask(f"{address}/signal", {"signal": "SIGINT"})).code == 409
    assert (await gateway.ask(f"{address}/signal", {"signal": "SIGWHAT"})).code == 400


async def test_a_command_can_be_followed_from_any_event(gateway: Gateway) -> None:
    """By the query or by the header of a client that comes back; characters are whole, also where pieces part them."""
    commands = f"{await create(gateway)}/commands"
    script = "printf '\\xc3'; sleep 0.05; printf '\\xa4'; echo e >&2"
    events = events_of(await gateway.ask(commands, {"command": script}, headers=STREAM))
    assert "".join(event.get("text", "") for event in events if event["type"] == "stdout") == "ä"
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    listed: Any = json_of(await gateway.ask(commands))["commands"]
    address = f"{commands}/{listed[0]['id']}/events"
    assert events_of(await gateway.ask(f"{address}?after={len(events) - 1}")) == events[-1:]
    assert events_of(await gateway.ask(address, headers={"Last-Event-ID": str(len(events))})) == []
    for wrong in ("x", "-1", "99", "1" * 20):
        assert (await gateway.ask(f"{address}?after={wrong}")).code == 400
    head = await gateway.ask(address, method="HEAD")
    assert (head.code, head.headers["Content-Type"]) == (200, "text/event-stream")


async def test_what_is_left_out_is_told(gateway: Gateway) -> None:
    """As a gap in the events, and as truncated in the answer."""
    commands = f"{await create(gateway)}/commands"
    answer = json_of(await gateway.ask(commands, {"command": "yes | head -c 3000000; echo end"}))
    assert (answer["truncated"], str(answer["stdout"])[-5:]) == (True, "\nend\n")
    assert len(str(answer["stdout"])) <= gateway.services.settings.allowance.output_bytes
    events = events_of(await gateway.ask(f"{commands}/{answer['id']}/events"))
    assert (events[0]["type"], events[0]["from"], events[1]["seq"]) == ("gap", 1, events[0]["to"] + 1)


@pytest.mark.parametrize("streams", [True, False])
async def test_a_command_ends_with_the_client_that_waits_for_it(gateway: Gateway, streams: bool) -> None:
    """As a run does."""
    address = await create(gateway)
    accept = "Accept: text/event-stream\r\n" if streams else ""
    body = b'{"command": "echo begun; sleep 1000"}'
    head = (
        f"POST {address}/commands HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a-token-that-is-right\r\n"
        f"{accept}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    _reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head.encode() + body)
    while json_of(await gateway.ask(address))["commandsRunning"] != 1:
        pass
    writer.close()
    while json_of(await gateway.ask(address))["commandsRunning"] != 0:
        pass
    listed: Any = json_of(await gateway.ask(f"{address}/commands"))["commands"]
    assert [one["signal"] for one in listed] == ["SIGKILL"]

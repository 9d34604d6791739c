"""Tools of the client's that code calls, on a real gateway: in turns by plain POSTs, and over streams."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from gateway.web.edge.unread import LIMIT_BYTES
from tests.api.test_streams import Client, Line, line
from tests.live import HANG_S, Gateway, Reply

__all__ = ["line"]

pytestmark = pytest.mark.kernel

BASE = "/code-interpreter"
ADD = {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {"a": {}, "b": {}}}}
LARGE_INPUT = 8_000_000
Host = Callable[[dict[str, Any]], dict[str, Any]]


def add(call: dict[str, Any]) -> dict[str, Any]:
    """A host that adds."""
    return {"output": call["input"]["a"] + call["input"]["b"]}


def ask(gateway: Gateway, code: str, path: str = "python", **fields: object) -> Reply:
    """The first answer to a run with the tool add."""
    return gateway.ask("POST", f"{BASE}/{path}", {"code": code, "tools": [ADD], **fields})


def go_on(gateway: Gateway, turn: Any, *results: dict[str, Any]) -> Reply:
    """The answer to *results*."""
    return gateway.ask("POST", turn["continuation"], {"results": list(results)})


def answered(call: dict[str, Any], host: Host = add) -> dict[str, Any]:
    """The result for *call*."""
    return {"id": call["id"], **host(call)}


def finish(gateway: Gateway, turn: Any, host: Host = add) -> Any:
    """The final answer, once *host* has answered all calls."""
    while turn["status"] == "tool_call_required":
        reply = go_on(gateway, turn, *[answered(call, host) for call in turn["toolCalls"]])
        assert reply.status == 200, reply
        turn = reply.body
    return turn


@pytest.fixture
def session(gateway: Gateway) -> Iterator[str]:
    """The path of a new session below the API."""
    made = gateway.ask("POST", f"{BASE}/sessions", {}).body["id"]
    yield f"sessions/{made}"
    gateway.ask("DELETE", f"{BASE}/sessions/{made}")


def test_a_plain_post_goes_on_in_turns(gateway: Gateway) -> None:
    """The kernel lives and waits between the requests; the last answer is the usual one."""
    first = ask(gateway, "x = tools.add(1, b=2)\nprint(x)\ny = tools.add(x, x)\ny").body
    assert (first["status"], first["toolCalls"][0]["name"]) == ("tool_call_required", "add")
    assert first["toolCalls"][0]["input"] == {"a": 1, "b": 2}
    assert first["continuation"] == f"{BASE}/runs/{first['run']}/tool-results"
    second = go_on(gateway, first, answered(first["toolCalls"][0])).body
    assert second["toolCalls"][0]["input"] == {"a": 3, "b": 3}
    done = go_on(gateway, second, answered(second["toolCalls"][0])).body
    assert (done["status"], done["success"], done["output"]) == ("completed", True, "3\n")
    assert done["results"][0]["data"]["text/plain"] == "6"
    assert set(done["variables"]) == {"x", "y"}
    assert go_on(gateway, first).status == 410


def test_a_run_that_calls_nothing_is_complete_at_once(gateway: Gateway) -> None:
    """As one that can't begin."""
    done = ask(gateway, "print(1)").body
    assert (done["status"], done["output"]) == ("completed", "1\n")
    assert ask(gateway, "1", session="none").status == 404


def test_calls_of_tasks_and_threads_find_their_answers(gateway: Gateway) -> None:
    """However many of them come in one answer."""
    code = (
        "import asyncio\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "print(sum(await asyncio.gather(*[tools.add(n, 1) for n in range(60)])))\n"
        "def work(n): return tools.add(n, n)\n"
        "with ThreadPoolExecutor(4) as pool: print(list(pool.map(work, range(4))))"
    )
    assert finish(gateway, ask(gateway, code).body)["output"] == "1830\n[0, 2, 4, 6]\n"


DEEP = "deep = 1\nfor _ in range(39): deep = [deep]\nprint(tools.add(a=deep) == deep)"


def echo(call: dict[str, Any]) -> dict[str, Any]:
    """A host that sends back what it was given."""
    return {"output": call["input"]["a"]}


def test_the_deepest_input_can_be_sent_back(gateway: Gateway) -> None:
    """With the levels of the request around it; one more than any input has is too deep."""
    turn = ask(gateway, DEEP).body
    deeper: Any = 1
    for _ in range(65):
        deeper = [deeper]
    refused = go_on(gateway, turn, {"id": turn["toolCalls"][0]["id"], "output": deeper})
    assert (refused.status, "67 levels" in refused.body["error"]["message"]) == (400, True)
    assert finish(gateway, turn, echo)["output"] == "True\n"


async def test_the_deepest_input_can_be_sent_back_on_a_stream(line: Line) -> None:
    """Other messages have the limit of requests."""
    client = await line.open()
    await client.say(code="1", env=json.loads("[" * 40 + "]" * 40))
    assert (await client.hear())["error"]["message"] == "The message is nested more than 32 levels deep."
    await client.say(code=DEEP, tools=[ADD])
    heard = await call_over(client, echo, [])
    assert "".join(event["text"] for event in heard if event["type"] == "stdout") == "True\n"


def test_some_results_may_come_later(gateway: Gateway) -> None:
    """The next answer repeats the calls that still wait."""
    code = "import asyncio\nprint(await asyncio.gather(tools.add(1, 1), tools.add(2, 2)))"
    turn = ask(gateway, code).body
    while len(turn["toolCalls"]) < 2:  # the second one came after the moment in which the first answer waits for more
        turn = go_on(gateway, turn).body
    one, two = turn["toolCalls"]
    again = go_on(gateway, turn, answered(two)).body
    assert again["toolCalls"] == [one]
    assert finish(gateway, again)["output"] == "[2, 4]\n"


def test_an_error_of_the_host_can_be_caught(gateway: Gateway) -> None:
    """Uncaught it is the run's."""
    code = "try: tools.add(1, 1)\nexcept ToolError as error: print('caught', error)\ntools.add(2, 2)"
    done = finish(gateway, ask(gateway, code).body, lambda _call: {"error": "no database"})
    assert (done["output"], done["error"]["type"]) == ("caught no database\n", "ToolError")
    assert done["error"]["message"] == "no database"


def test_results_that_do_not_fit_change_nothing(gateway: Gateway) -> None:
    """All or none: the calls still wait."""
    turn = ask(gateway, "print(tools.add(1, 1))").body
    (call,) = turn["toolCalls"]
    right = answered(call)
    for wrong in (
        [right, {"id": "other", "output": 1}],
        [right, right],
        [{**right, "error": "x"}],
        [{"id": call["id"]}],
        [5],
    ):
        refused = go_on(gateway, turn, *wrong)
        assert (refused.status, refused.body["error"]["code"]) == (400, "bad_request"), wrong
    assert (
        "'other' is none of this run's" in go_on(gateway, turn, right, {"id": "other", "output": 1}).body["error"]["message"]
    )
    assert finish(gateway, turn)["output"] == "2\n"


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ([{"name": "a b"}], "tools[0].name must be a letter"),
        ([{"name": "ok"}, {"name": "class"}], "tools[1].name is 'class', a keyword"),
        ([{"name": "a"}, {"name": "a"}], "tools[1].name is 'a', which is the name of an earlier tool"),
        ([{"name": f"a{n}"} for n in range(101)], "tools has more than 100 tools"),
        ({"name": "a"}, "tools must be a list of at most 100 tools"),
    ],
)
def test_a_tool_that_can_not_be_called_is_refused(gateway: Gateway, tools: object, said: str) -> None:
    """Before anything runs; the error names the field."""
    reply = gateway.ask("POST", f"{BASE}/python", {"code": "1", "tools": tools})
    assert reply.status == 400
    assert reply.body["error"]["message"].startswith(said)


def test_a_session_has_the_tools_for_one_run(gateway: Gateway, session: str) -> None:
    """A name of its own stays, and a variable of the same name."""
    gateway.ask("POST", f"{BASE}/{session}/execute", {"code": "tools, kept = 'mine', 1"})
    done = finish(gateway, ask(gateway, "kept += tools.add(1, 1)", f"{session}/execute").body)
    assert (done["status"], done["executionCount"]) == ("completed", 2)
    assert gateway.ask("POST", f"{BASE}/{session}/execute", {"code": "print(tools, kept)"}).body["output"] == "mine 3\n"


def test_a_run_that_waits_can_be_interrupted(gateway: Gateway, session: str) -> None:
    """The client that comes back then gets the result; the session keeps its state."""
    turn = ask(gateway, "kept = 1\ntools.add(1, 1)", f"{session}/execute").body
    assert gateway.ask("POST", f"{BASE}/{session}/interrupt").body == {"interrupted": True, "kernelReplaced": False}
    done = go_on(gateway, turn, answered(turn["toolCalls"][0])).body
    assert (done["status"], done["error"]["type"]) == ("completed", "KeyboardInterrupt")
    assert gateway.ask("POST", f"{BASE}/{session}/execute", {"code": "print(kept)"}).body["output"] == "1\n"


def test_only_runs_with_tools_take_results(gateway: Gateway, session: str) -> None:
    """A run that never was is 404; a table of numbers is no place for calls."""
    assert gateway.ask("POST", f"{BASE}/runs/{'0' * 32}/tool-results", {"results": []}).status == 404
    assert ask(gateway, "1 + 1", f"{session}/execute", type="math").status == 400


async def call_over(client: Client, host: Host, heard: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All events until the end, while *host* answers on the same connection."""
    while not heard or heard[-1]["type"] != "done":
        heard.append(await client.hear())
        if heard[-1]["type"] == "tool_call":
            await client.say(type="tool_result", **answered(heard[-1], host))
    return heard


async def test_a_stream_has_calls_as_events(line: Line) -> None:
    """In their place among the output; a result of no call is an error, and the connection stays."""
    client = await line.open()
    await client.say(code="print('a')\nprint(tools.add(1, 2))\nprint(tools.add(3, 4))", tools=[ADD])
    heard = await client.hear_until("tool_call")
    await client.say(type="tool_result", id="none", output=1)
    assert "no call 'none' that waits" in (await client.hear())["error"]["message"]
    await client.say(type="tool_result", id=heard[-1]["id"])
    assert (await client.hear())["error"]["code"] == "bad_request"
    await client.say(type="tool_result", **answered(heard[-1]))
    await call_over(client, add, heard)
    assert [event["type"] for event in heard if event["type"] in ("stdout", "tool_call")] == [
        *("stdout", "tool_call", "stdout", "tool_call", "stdout")
    ]
    assert [event["seq"] for event in heard] == [*range(1, len(heard) + 1)]
    assert "".join(event["text"] for event in heard if event["type"] == "stdout") == "a\n3\n7\n"


async def test_a_call_outlives_its_connection(line: Line) -> None:
    """Who comes back finds the event again, and answers it there."""
    client = await line.open()
    await client.say(code="print(tools.add(1, 2))", tools=[ADD])
    heard = await client.hear_until("tool_call")
    client.cut()
    again = await line.open(f"{BASE}/stream?run={heard[0]['runId']}&after={heard[-2]['seq']}")
    assert "".join(event.get("text", "") for event in await call_over(again, add, [])) == "3\n"


async def test_watchers_of_a_session_see_calls(line: Line, gateway: Gateway) -> None:
    """And answers may come by POST, as for every stream."""
    session = await line.session()
    watcher = await line.open(f"{session}/stream")
    await watcher.say(type="watch")
    client = await line.open(f"{session}/stream")
    await client.say(type="execute", id="mine", code="print(tools.add(1, 2))", tools=[ADD])
    own = (await client.hear_until("tool_call"))[-1]
    seen = (await watcher.hear_until("tool_call"))[-1]
    assert (seen["name"], seen["input"]) == ("add", {"a": 1, "b": 2})
    assert (seen["id"], seen["run"]) == (own["id"], own["run"]), "the client's own name of a run is no id of a call"
    assert seen["id"] != "mine"
    path = f"{BASE}/runs/{seen['run']}/tool-results"
    taken = await asyncio.to_thread(gateway.ask, "POST", path, {"results": [answered(seen)]})
    assert (taken.status, taken.body) == (200, {"accepted": 1})
    await client.hear_until("done")
    late = await asyncio.to_thread(gateway.ask, "POST", path, {"results": [answered(seen)]})
    assert (late.status, late.body["error"]["code"]) == (409, "conflict")


async def test_events_over_http_have_calls_too(gateway: Gateway) -> None:
    """The answer goes by POST while the events go on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    body = json.dumps({"code": "print(tools.add(20, 22))", "tools": [ADD]}).encode()
    head = f"POST {BASE}/python HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.token}\r\n"
    head += f"Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    run_id = json.loads(await reader.readuntil(b"event: accepted\ndata: ") and await reader.readline())["runId"]
    call = json.loads(await reader.readuntil(b"event: tool_call\ndata: ") and await reader.readline())
    taken = await asyncio.to_thread(gateway.ask, "POST", f"{BASE}/runs/{run_id}/tool-results", {"results": [answered(call)]})
    assert taken.body == {"accepted": 1}
    assert b"42" in await reader.readuntil(b"event: done")
    writer.close()


def test_javascript_has_the_same(gateway: Gateway) -> None:
    """In turns, all calls of a Promise.all together, and errors that code can catch."""
    code = "const all = await Promise.all([tools.add(1, 2), tools.add({a: 3, b: 4})]); return [all, await tools.add(5, 6)]"
    assert finish(gateway, ask(gateway, code, "javascript").body)["returnValue"] == [[3, 7], 11]
    code = "try { await tools.add(1, 1) } catch (e) { return `${e.name}: ${e.message}` }"
    assert (
        finish(gateway, ask(gateway, code, "javascript").body, lambda _call: {"error": "no"})["returnValue"]
        == "ToolError: no"
    )


async def test_a_client_that_breaks_off_its_request_ends_the_run(gateway: Gateway, session: str) -> None:
    """A session's run is interrupted, and its state kept."""
    await asyncio.to_thread(gateway.ask, "POST", f"{BASE}/{session}/execute", {"code": "kept = 1"})
    _reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    body = json.dumps({"code": "import time\nwhile True: time.sleep(0.01)", "tools": [ADD]}).encode()
    head = f"POST {BASE}/{session}/execute HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    async with asyncio.timeout(HANG_S):
        while (await current(gateway, session)) is None:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.02)
        writer.close()
        while (await current(gateway, session)) is not None:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.02)
    done = await asyncio.to_thread(gateway.ask, "POST", f"{BASE}/{session}/execute", {"code": "print(kept)"})
    assert done.body["output"] == "1\n"


async def current(gateway: Gateway, session: str) -> Any:
    """The run under way in *session*."""
    return (await asyncio.to_thread(gateway.ask, "GET", f"{BASE}/{session}")).body["currentRun"]


def test_the_most_that_one_call_may_hold_arrives(gateway: Gateway) -> None:
    """What the kernel lets through the gateway reads; what is too much for the run is an error at the call."""
    code = (
        "print(tools.add(a=[0] * 89_000))\nfor each in ([[]] * 40_000, [[]] * 89_000, [0] * 90_000):\n"
        "    try: print(tools.add(a=each))\n    except (ToolError, TypeError) as error: print(type(error).__name__)"
    )
    done = finish(gateway, ask(gateway, code).body, lambda call: {"output": len(call["input"]["a"])})
    assert done["output"] == "89000\nToolError\nToolError\nTypeError\n"


def asks_again(gateway: Gateway, turn: Any) -> socket.socket:
    """A connection that asks for the calls that wait, and is not read."""
    asking = socket.socket()
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    asking.settimeout(HANG_S)
    asking.connect(("127.0.0.1", gateway.port))
    head = f"POST {turn['continuation']} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.token}\r\n"
    asking.sendall(f'{head}Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{{"results":[]}}'.encode())
    return asking


def test_large_calls_that_nobody_reads_are_bounded(gateway: Gateway) -> None:
    """However many connections ask for them at once; later the run goes on."""
    turn = ask(gateway, f"print(len(tools.add(a='a' * {LARGE_INPUT})))").body
    with ExitStack() as stack:
        asking = [stack.enter_context(asks_again(gateway, turn)) for _ in range(14)]
        told = [int(one.recv(12).split()[1]) for one in asking]
    assert set(told) == {200, 429}, told
    assert told.count(200) <= LIMIT_BYTES // LARGE_INPUT + 1, told
    while (again := go_on(gateway, turn)).status == 429:
        time.sleep(0.01)  # until the gateway has seen that they are gone
    assert finish(gateway, again.body, echo)["output"] == f"{LARGE_INPUT}\n"

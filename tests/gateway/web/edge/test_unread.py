"""What waits for clients that do not read: counted for their key, made once, and never without an end."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.errors import TooManyRequests
from gateway.core.model import Display, Text
from gateway.core.request import Caller, RunRequest
from gateway.web.edge.endpoint import PIECE_BYTES
from gateway.web.edge.unread import LARGE_BYTES, AnswerHold, Unread
from tests.gateway.web.edge.test_endpoint import assert_failure
from tests.gateway.web.world import TOKEN, Gateway, ok
from tests.live import HANG_S

MIB = 1024 * 1024
PYTHON = "/code-interpreter/python"
SESSION = "/code-interpreter/sessions/there/stream"


def test_a_key_with_too_much_unread_is_not_let_in() -> None:
    """Others are; what is small is not counted; when it was read the key is let in again."""
    unread = Unread(limit_bytes=LARGE_BYTES * 2)
    with unread.sending("a", bytes(LARGE_BYTES - 1)), unread.sending("a", bytes(LARGE_BYTES * 2)):
        unread.check("a")
        shared = unread.share("a", "name", lambda: bytes(1))
        with pytest.raises(TooManyRequests, match=f"{LARGE_BYTES * 2 + 1} bytes"):
            unread.check("a")
        unread.check("b")
    unread.release(shared)
    unread.check("a")
    assert unread.size_bytes == 0


def test_what_several_send_is_made_and_counted_once() -> None:
    """Until the last of them has sent it; then it is made anew."""
    unread, made = Unread(), iter((b"one", b"two"))
    first, second = (unread.share("a", "name", lambda: next(made)) for _ in range(2))
    assert (first.data, second is first, unread.size_bytes) == (b"one", True, 3)
    unread.release(first)
    assert unread.size_bytes == 3
    unread.release(second)
    assert unread.size_bytes == 0
    assert unread.share("a", "name", lambda: next(made)).data == b"two"


def silent(gateway: Gateway, head: str, body: bytes = b"") -> socket.socket:
    """A connection that asks and never reads."""
    asking = socket.socket()
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    asking.connect(("127.0.0.1", gateway.port))
    lines = f"Host: 127.0.0.1:{gateway.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
    asking.sendall(f"{head}\r\n{lines}Content-Length: {len(body)}\r\n".encode() + b"\r\n" + body)
    return asking


def watching(gateway: Gateway, path: str) -> socket.socket:
    """A WebSocket that never reads."""
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}"
    return silent(gateway, f"GET {path} HTTP/1.1\r\n{upgrade}")


def unread_of(gateway: Gateway) -> Unread:
    unread: Unread = gateway.server.request_callback.settings["unread"]  # type: ignore[union-attr]  # an Application
    return unread


async def until_unread(gateway: Gateway, low: int) -> int:
    """How much is unread, once it is *low* at least (0: nothing)."""
    unread = unread_of(gateway)
    async with asyncio.timeout(HANG_S):
        while unread.size_bytes < low or (not low and unread.size_bytes):  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)
    return unread.size_bytes


async def test_answers_nobody_reads_are_counted(gateway: Gateway) -> None:
    """In whatever form they go out. Over the bound the key gets 429, but may delete; when they are gone it goes on."""
    text = "x" * (9 * MIB)
    gateway.runner.answer = lambda request: replace(ok(request), output=text, stdout="")
    body = json.dumps({"code": "1"}).encode()
    with ExitStack() as stack:
        for number in range(1, 9):
            form = "Accept: text/event-stream\r\n" if number > 6 else ""
            gateway.runner.events = [Text("stdout", text)] if form else ()
            asking = silent(gateway, f"POST {PYTHON} HTTP/1.1\r\n{form}Content-Type: application/json", body)
            stack.enter_context(asking)
            counted = await until_unread(gateway, number * len(text))
            assert counted < number * (len(text) + 1000)
        refused = await gateway.ask("/code-interpreter/sessions")
        assert (refused.code, refused.headers["Retry-After"]) == (429, "1")
        assert_failure(refused.body, "too_many_requests")
        assert (await gateway.ask(PYTHON, {"code": "1"})).code == 429
        assert (await gateway.ask("/code-interpreter/sessions/there", method="DELETE")).code == 200
        assert (await gateway.ask("/code-interpreter/health", token=None)).code == 200
    await until_unread(gateway, 0)
    assert (await gateway.ask("/code-interpreter/sessions")).code == 200


async def test_an_event_is_in_memory_once_for_all_who_are_told_it(gateway: Gateway) -> None:
    """Readers of one run that do not read cost no copy each, and one that reads gets it whole, on either stream."""
    gateway.runner.events = [Display("display", {"text/plain": "y" * (4 * MIB)}, {})]
    reader = await gateway.connect(SESSION)
    await reader.write_message(json.dumps({"code": "1", "id": "mine"}))
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1]["type"] != "done":
        message = await reader.read_message()
        assert isinstance(message, str)
        heard.append(json.loads(message))
    run, event = heard[0]["runId"], heard[2]
    assert (event["id"], event["run"], len(event["data"]["text/plain"])) == ("mine", run, 4 * MIB)
    gateway.runner.asked[0] = RunRequest("python", "1", 1.0, session="there")
    with ExitStack() as stack:
        for _ in range(15):
            stack.enter_context(watching(gateway, f"/code-interpreter/stream?run={run}"))
        await until_unread(gateway, 4 * MIB)
        while len(gateway.server.open_sockets) < 16:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)
        again = await gateway.connect(f"/code-interpreter/stream?run={run}")
        told = [json.loads(str(await again.read_message())) for _ in heard]
        named = {"id", "run", "at"}
        assert told == [{name: value for name, value in one.items() if name not in named} for one in heard]
        assert unread_of(gateway).size_bytes < 4 * MIB + 1000
    await until_unread(gateway, 0)


@pytest.mark.parametrize("size", [PIECE_BYTES - 200, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
async def test_an_answer_of_any_size_arrives_whole(gateway: Gateway, size: int) -> None:
    """With its length told, and none of it for HEAD."""
    gateway.runner.answer = lambda request: replace(ok(request), output="z" * size)
    response = await gateway.ask(PYTHON, {"code": "1"})
    assert int(response.headers["Content-Length"]) == len(response.body)
    assert json.loads(response.body)["output"] == "z" * size


async def test_large_answers_asked_for_at_once_are_bounded_before_they_are_made(gateway: Gateway) -> None:
    """All are let in while nothing is unread; those beyond the bound get 429, and nothing stays counted."""
    picture = bytes(12 * MIB)
    gateway.services.pictures.keep(Caller("k1", "test"), ("a" * 32, 0), "image/png", picture)
    uri = f"http://127.0.0.1/code-interpreter/runs/{'a' * 32}/charts/0"
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri}}).encode()
    asks = "POST /mcp HTTP/1.1\r\nContent-Type: application/json"
    with ExitStack() as stack:
        asking = [stack.enter_context(silent(gateway, asks, body)) for _ in range(9)]
        told = []
        for one in asking:
            one.setblocking(False)
            told.append(int((await asyncio.get_running_loop().sock_recv(one, 12)).split()[1]))
        assert sorted(told) == [200] * 4 + [429] * 5
        assert unread_of(gateway).size_bytes < 4 * 17 * MIB
    await until_unread(gateway, 0)


def test_what_is_held_is_counted_until_it_is_let_go() -> None:
    """A key that holds too much can hold no more."""
    unread = Unread(limit_bytes=10)
    held, other = AnswerHold(unread), AnswerHold(unread)
    held.take("a", LARGE_BYTES)
    with pytest.raises(TooManyRequests):
        other.take("a", LARGE_BYTES)
    other.take("a", LARGE_BYTES - 1)
    other.let_go()
    AnswerHold(unread).take("b", LARGE_BYTES)
    held.let_go()
    held.let_go()
    assert unread.size_bytes == LARGE_BYTES
    other.take("a", LARGE_BYTES)

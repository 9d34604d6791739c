"""Calls of tools that come together: who waits for whom, and in which thread."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

import omega_client as omega
from tests.clients.python import peer
from tests.clients.python.both import Both
from tests.clients.python.peer import document
from tests.clients.python.tool_runs import COMPLETED, RESULTS, called, required


def test_async_tools_go_side_by_side() -> None:
    """Each waits for the other, which in a row would never end. Results that are there together are sent together."""
    meeting: list[int] = []

    async def run() -> omega.Run:
        everybody = asyncio.Event()

        @omega.tool
        async def meet(number: int) -> int:
            meeting.append(number)
            if len(meeting) == 2:
                everybody.set()
            await everybody.wait()
            return number

        async with omega.AsyncClient(served.url, "t") as client:
            done = await client.run("code", tools=[meet])
        with omega.Client(served.url, "t") as plain, pytest.raises(TypeError, match="meet: async functions are tools for"):
            plain.run("code", tools=[meet])
        return done

    calls = [{"id": str(at), "name": "meet", "input": {"number": at}} for at in (1, 2)]
    with peer.peer(called(*calls, ends=threading.Event())) as served:
        assert asyncio.run(run()).success
        results = [one for asked in served.asked if asked.path == RESULTS for one in asked.json()["results"]]
    assert sorted(results, key=lambda one: str(one["id"])) == [{"id": "1", "output": 1}, {"id": "2", "output": 2}]


NUMBER = contextvars.ContextVar("NUMBER", default=0)


def test_plain_tools_go_side_by_side(both: Both) -> None:
    """In threads, in the caller's context: each waits for the other, which in a row would never end."""
    everybody = threading.Barrier(2, timeout=60)

    @omega.tool
    def meet(number: int) -> int:
        everybody.wait()
        return number + NUMBER.get()

    calls = [{"id": str(at), "name": "meet", "input": {"number": at}} for at in (1, 2)]
    streamed, told = called(*calls, ends=threading.Event()), iter([required(*calls), document(COMPLETED)])
    token = NUMBER.set(10)
    with peer.peer(streamed if both.kind == "asyncio" else lambda _: [next(told)]) as served:
        assert both.run(served.url, "code", tools=[meet]).success
        results = [one for asked in served.asked if asked.path == RESULTS for one in asked.json()["results"]]
    NUMBER.reset(token)
    assert sorted(results, key=lambda one: str(one["id"])) == [{"id": "1", "output": 11}, {"id": "2", "output": 12}]


def test_one_call_is_carried_out_in_the_callers_thread() -> None:
    """What belongs to a thread, such as a connection of sqlite3, can be used as long as code calls in a row."""
    threads: list[int] = []

    @omega.tool
    def here() -> None:
        threads.append(threading.get_ident())

    answers = iter([required({"id": "1", "name": "here", "input": {}}), document(COMPLETED)])
    with peer.peer(lambda _: [next(answers)]) as served, omega.Client(served.url, "t") as client:
        client.run("code", tools=[here])
    assert threads == [threading.get_ident()]


def test_a_plain_tool_does_not_stop_the_event_loop() -> None:
    """Tasks go on while it works."""
    released = threading.Event()

    async def run() -> None:
        begun, loop = asyncio.Event(), asyncio.get_running_loop()

        @omega.tool
        def wait() -> bool:
            loop.call_soon_threadsafe(begun.set)
            return released.wait(60)

        async with omega.AsyncClient(served.url, "t") as client:
            task = asyncio.ensure_future(client.run("code", tools=[wait]))
            await begun.wait()
            released.set()
            await task

    with peer.peer(called({"id": "1", "name": "wait", "input": {}}, ends=threading.Event())) as served:
        asyncio.run(run())
        assert [one.json() for one in served.asked if one.path == RESULTS] == [{"results": [{"id": "1", "output": True}]}]

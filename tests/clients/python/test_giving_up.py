"""A host that raises in the middle of a run with tools leaves no kernel to wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

import omega_client as omega
from tests.clients.python import peer
from tests.clients.python.peer import Asked, document
from tests.clients.python.tool_runs import CALLS, PYTHON, called, query, required


def waiting_for(name: str) -> peer.Handler:
    """A gateway whose run waits for a call of *name*."""

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == PYTHON:
            yield required({"id": "1", "name": name, "input": {}})

    return handler


def assert_given_up(served: peer.Peer, *, after: int = 1) -> None:
    """The run was told that there will be no result, with the request after this many."""
    while len(served.asked) <= after:
        assert served.left.wait(60)
        served.left.clear()
    assert served.asked[after].json() == {"results": [{"id": "1", "error": "The host gave up before it answered."}]}


@pytest.mark.parametrize("answer", [document({"error": {"message": "No."}}, "401 Unauthorized"), b"HTTP/1.1 200 OK\r\n?"])
def test_whatever_is_raised_the_run_is_given_up(answer: bytes) -> None:
    """It would wait for its host, and hold a kernel."""

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == PYTHON:
            yield required(CALLS[0])
        elif len(served.asked) == 2:
            yield answer
            if answer.endswith(b"?"):
                raise peer.Left

    with peer.peer(handler) as served:
        with omega.Client(served.url, "t") as client, pytest.raises(omega.OmegaError):
            client.run("code", tools=[query])
        assert_given_up(served, after=2)


def test_a_tool_that_is_interrupted_ends_the_run() -> None:
    """The gateway is told, and the connection closed, instead of leaving the kernel to wait."""

    @omega.tool
    def stop() -> None:
        raise KeyboardInterrupt

    with peer.peer(waiting_for("stop")) as served:
        with omega.Client(served.url, "t") as client, pytest.raises(KeyboardInterrupt):
            client.run("code", tools=[stop])
        assert_given_up(served)


def test_a_task_that_is_cancelled_ends_the_run() -> None:
    """The same, on asyncio: the stream is closed."""

    async def run() -> None:
        begun = asyncio.Event()

        @omega.tool
        async def stop() -> None:
            begun.set()
            await asyncio.Event().wait()

        async with omega.AsyncClient(served.url, "t") as client:
            task = asyncio.ensure_future(client.run("code", tools=[stop]))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    ends = threading.Event()
    with peer.peer(called({"id": "1", "name": "stop", "input": {}}, ends=ends)) as served:
        asyncio.run(run())
        ends.set()
        assert served.left.wait(60)
        assert [one.path for one in served.asked] == [PYTHON]

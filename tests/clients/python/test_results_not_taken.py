"""Results of tools that do not get to the gateway, or that it refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import omega_client as omega
from tests.clients.python import peer
from tests.clients.python.both import Both
from tests.clients.python.peer import Asked, document
from tests.clients.python.tool_runs import ANSWERED, CALLS, COMPLETED, RESULTS, begun, ended, query, required


@pytest.mark.parametrize("status", ["401 Unauthorized", "500 Internal Server Error"])
def test_a_result_that_can_not_be_sent_ends_the_stream(both: Both, status: str) -> None:
    """The run would wait for it to no end."""

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == RESULTS:
            yield document({"error": {"message": "No."}}, status)
            return
        yield from begun(CALLS[0])

    with peer.peer(handler) as served:
        with pytest.raises(omega.ApiError, match="No"):
            both.stream(served.url, "code", tools=[query])
        assert served.left.wait(60)


def test_a_result_that_is_too_large_is_an_error_that_the_code_can_catch(both: Both) -> None:
    """In a stream as in a plain run."""
    is_over, large = threading.Event(), document({"error": {"message": "Too large."}}, "413 Payload Too Large")

    def handler(asked: Asked) -> Iterator[bytes]:
        if asked.path == RESULTS:
            is_error = "error" in asked.json()["results"][0]
            yield (document(COMPLETED) if is_error else large)
            if is_error:
                is_over.set()
        elif asked.headers.get("accept") == "text/event-stream":
            is_over.clear()
            yield from begun(CALLS[0])
            assert is_over.wait(60)
            yield from ended()
        else:
            yield required(CALLS[0])

    told = [{"id": "1", "error": "The gateway did not take the result: Too large."}]
    with peer.peer(handler) as served:
        assert both.stream(served.url, "code", tools=[query])[1].success
        assert both.run(served.url, "code", tools=[query]).success
        assert [one.json()["results"] for one in served.asked if one.path == RESULTS][1::2] == [told, told]


def test_one_result_that_is_refused_spoils_no_other() -> None:
    """What came together goes one by one then, until the run is over."""

    def handler(asked: Asked) -> Iterator[bytes]:
        results = asked.json().get("results")
        if results is None:
            yield required(*CALLS)
        elif any(one.get("output") == [["b", 1]] for one in results):
            yield document({"error": {"message": "No \ud800."}}, "400 Bad Request")
        else:
            yield document(COMPLETED) if results[0]["id"] == "3" else required(*CALLS)

    with peer.peer(handler) as served, omega.Client(served.url, "t") as client:
        assert client.run("code", tools=[query]).success
    told = {"id": "2", "error": "The gateway did not take the result: No \ufffd."}
    sent = [asked.json()["results"] for asked in served.asked[1:]]
    assert sent == [ANSWERED, ANSWERED[:1], ANSWERED[1:2], [told], ANSWERED[2:]]

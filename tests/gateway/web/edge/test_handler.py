"""What endpoints and WebSockets share: how long clients have, what counts as a fault, and the headers of all answers."""

from __future__ import annotations

import re

import pytest
from structlog.testing import capture_logs
from tornado.web import HTTPError

from gateway.core.errors import BadRequest, Busy
from gateway.web.edge.failure import SECURITY_HEADERS
from gateway.web.edge.handler import SEND_BYTES_PER_S, SEND_S, is_fault, patience_s
from tests.gateway.web.test_http import split
from tests.gateway.web.world import TOKEN, Gateway


def test_a_client_has_longer_for_more() -> None:
    """A slow line is not a client that does not read."""
    assert patience_s(0) == SEND_S
    assert patience_s(10 * SEND_BYTES_PER_S) == SEND_S + 10


@pytest.mark.parametrize(
    ("error", "is_ours"),
    [(None, False), (BadRequest("?"), False), (Busy("?"), False), (HTTPError(400), False), (KeyError("?"), True)],
)
def test_only_what_nobody_expected_is_a_fault(error: BaseException | None, is_ours: bool) -> None:
    """The rest is in the access log alone, without a stack."""
    assert is_fault(error) is is_ours


@pytest.mark.parametrize("path", ["/code-interpreter/examples", "/code-interpreter/stream", "/nowhere"])
async def test_every_kind_of_address_answers_with_the_same_headers(gateway: Gateway, path: str) -> None:
    """Answers and refusals, of endpoints and of WebSockets, are told apart by their run id alone."""
    ids = []
    for token in (TOKEN, "wrong"):
        response = await gateway.ask(path, token=token)
        assert {name: response.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert "Server" not in response.headers
        ids.append(response.headers["X-Run-Id"])
    assert all(re.fullmatch("[0-9a-f]{32}", found) for found in ids)
    assert len(set(ids)) == 2


async def test_each_answer_has_one_line_in_the_log(gateway: Gateway) -> None:
    """With its run id, by which an operator finds the run; without query and token."""
    with capture_logs() as log:
        answer = await gateway.raw(
            f"GET /t/{TOKEN}/x?secret=y HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
    status, headers, _ = split(answer)
    (line,) = [entry for entry in log if entry["event"] == "request"]
    assert (line["status"], line["run_id"], line["method"]) == (status, headers["x-run-id"], "GET")
    assert TOKEN not in str(line)
    assert "secret" not in str(line)

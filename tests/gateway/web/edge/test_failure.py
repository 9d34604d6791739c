"""Failures as answers: ours, Tornado's and faults, each with the headers that say what to do about it."""

from __future__ import annotations

import orjson
import pytest

from gateway.core.errors import (
    BadRequest,
    Busy,
    GatewayError,
    MethodNotAllowed,
    NotFound,
    TooManyRequests,
    Unauthorized,
    UpgradeRequired,
)
from gateway.web.edge import failure
from gateway.web.edge.failure import InternalError
from gateway.web.edge.lingering import compose


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, NotFound),
        (405, MethodNotAllowed),
        (400, BadRequest),
        (499, BadRequest),
        (500, InternalError),
        (599, InternalError),
    ],
)
def test_what_tornado_refuses_has_a_kind_of_ours(status: int, kind: type[GatewayError]) -> None:
    """Whatever status it chose, clients see the codes of the API."""
    assert type(failure.explain(status, None, "r1", ["GET"])) is kind


def test_an_expected_failure_explains_itself() -> None:
    """The status that Tornado made of it does not count."""
    error = Busy("Later.")
    assert failure.explain(500, error, "r1", []) is error


def test_a_fault_says_the_run_id_alone() -> None:
    """Its text is for the log."""
    assert failure.explain(500, KeyError("secret"), "r1", []).message == "internal error (run r1)"


@pytest.mark.parametrize(("wait_s", "said"), [(None, None), (0.0, "1"), (0.4, "1"), (1.0, "1"), (1.2, "2"), (29.5, "30")])
def test_retry_after_is_rounded_up_everywhere(wait_s: float | None, said: str | None) -> None:
    """A client that waits that long is not too early; 0 would be no wait. The same below and above Tornado."""
    error = TooManyRequests("Slowly.", retry_after_s=wait_s)
    assert failure.headers_of(error, []).get("Retry-After") == said
    lines = compose(error).partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert [line for line in lines if line.startswith("Retry-After")] == ([f"Retry-After: {said}"] if said else [])


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (Unauthorized("?"), {"WWW-Authenticate": 'Bearer realm="omega"'}),
        (failure.not_allowed(["GET", "PUT"]), {"Allow": "GET, PUT"}),
        (UpgradeRequired("?"), {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}),
        (BadRequest("?"), {}),
    ],
)
def test_the_headers_say_what_to_do(error: GatewayError, headers: dict[str, str]) -> None:
    """As the RFCs demand of these statuses; nothing else is added."""
    assert failure.headers_of(error, ["GET", "PUT"]) == {"Content-Type": failure.JSON_TYPE, **headers}


def test_the_body_has_type_code_and_message() -> None:
    """One form, whoever refuses."""
    error = orjson.loads(failure.body_of(NotFound("Nothing here.")))["error"]
    assert error == {"type": "NotFound", "message": "Nothing here.", "code": "not_found", "traceback": None}

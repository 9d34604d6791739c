"""Requests and replies as values."""

from __future__ import annotations

import json

import pytest

import omega_client as omega
from omega_client import wire
from omega_client.wire import Head, Reply


def replied(status: int, body: bytes, **headers: str) -> Reply:
    """A reply."""
    return Reply(Head(status, {name.replace("_", "-"): value for name, value in headers.items()}), body)


def error(**fields: str) -> bytes:
    """The body of a refusal."""
    return json.dumps({"success": False, "error": fields}).encode()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, omega.BadRequest),
        (401, omega.Unauthorized),
        (403, omega.Forbidden),
        (404, omega.NotFound),
        (409, omega.Conflict),
        (410, omega.Gone),
        (413, omega.TooLarge),
        (429, omega.TooManyRequests),
        (503, omega.Unavailable),
        (500, omega.ApiError),
        (418, omega.ApiError),
    ],
)
def test_a_refusal_is_an_exception_of_its_status(status: int, kind: type[omega.ApiError]) -> None:
    """With code, hint, and how long to wait."""
    told = error(type="Busy", message="All is full.", code="busy", hint="Wait.")
    with pytest.raises(omega.ApiError) as refused:
        wire.read_json(replied(status, told, retry_after="1.5"))
    assert type(refused.value) is kind
    assert (refused.value.status, refused.value.code, refused.value.type) == (status, "busy", "Busy")
    assert (refused.value.hint, refused.value.retry_after_s) == ("Wait.", 1.5)
    assert str(refused.value) == "All is full. Wait."


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"[]", b'{"error": "no"}', b'{"error": null}', b"\xff"])
def test_a_refusal_of_somebody_in_between_is_told(body: bytes) -> None:
    """A proxy does not speak as the gateway does."""
    with pytest.raises(omega.ApiError, match="502") as refused:
        wire.read_json(replied(502, body, retry_after="soon"))
    assert refused.value.retry_after_s is None


def test_an_answer_that_is_no_json_is_told() -> None:
    """Another server may have that address."""
    assert wire.read_json(replied(200, b'{"a": 1}')) == {"a": 1}
    with pytest.raises(omega.ApiError, match="no JSON: <html>"):
        wire.read_json(replied(200, b"<html>"))


def test_what_has_no_form_in_json_is_not_sent() -> None:
    """NaN is no JSON either."""
    for wrong in (float("nan"), {1, 2}, b"x"):
        with pytest.raises((ValueError, TypeError)):
            wire.post("/", {"code": wrong})

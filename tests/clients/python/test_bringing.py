"""Which failures of a request are the fault of the results in it, and what becomes of these."""

from __future__ import annotations

import json

import pytest

import omega_client as omega
from omega_client.bringing import LARGE_BYTES, bringing, clean_json
from omega_client.errors import BadRequest, ConnectionFailed, OmegaError, TimedOut, TooLarge, Unauthorized

SMALL, LARGE = "x", "x" * LARGE_BYTES


@pytest.mark.parametrize(
    ("output", "error"),
    [
        (SMALL, BadRequest(400, {"message": "No."})),
        (SMALL, TooLarge(413, {"message": "No."})),
        (LARGE, ConnectionFailed("No.")),
    ],
)
def test_what_is_not_taken_is_an_error_of_its_call(output: str, error: OmegaError) -> None:
    """The gateway hangs up on a body that is far too large."""
    steps = bringing("/x", [{"id": "1", "output": output}])
    next(steps)
    told = steps.throw(error)
    assert json.loads(told.body or b"") == {"results": [{"id": "1", "error": "The gateway did not take the result: No."}]}
    with pytest.raises(StopIteration) as end:
        steps.send({"accepted": 1})
    assert end.value.value == {"accepted": 1}


@pytest.mark.parametrize(
    ("output", "error"),
    [(SMALL, ConnectionFailed("No.")), (LARGE, TimedOut("No.")), (LARGE, Unauthorized(401, {"message": "No."}))],
)
@pytest.mark.parametrize("count", [1, 2])
def test_other_failures_are_raised(output: str, error: OmegaError, count: int) -> None:
    """No other result would fare better."""
    steps = bringing("/x", [{"id": str(number), "output": output} for number in range(count)])
    next(steps)
    with pytest.raises(omega.OmegaError) as raised:
        steps.throw(error)
    assert raised.value is error


def test_what_has_no_form_in_a_request_is_not_sent() -> None:
    """The request has more levels than the result has alone."""
    request = next(bringing("/x", [{"id": "1", "output": {1, 2}}]))
    assert b"Object of type set is not JSON serializable" in (request.body or b"")


def test_texts_are_whole_characters() -> None:
    """Names too."""
    assert clean_json({"\udc80": ["a\ud800", "é\U0001f600"]}) == {"\ufffd": ["a\ufffd", "é\U0001f600"]}

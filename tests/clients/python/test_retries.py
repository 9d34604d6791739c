"""When a request is sent again."""

from __future__ import annotations

import pytest

import omega_client as omega
from omega_client.retries import pause_s

BUSY = omega.Unavailable(503, {}, 7.0)


@pytest.mark.parametrize(
    ("error", "attempt", "most", "pause"),
    [
        (BUSY, 0, 2, 7.0),
        (BUSY, 1, 2, 7.0),
        (BUSY, 2, 2, None),
        (BUSY, 0, 0, None),
        (omega.TooManyRequests(429, {}), 0, 2, 0.5),
        (omega.TooManyRequests(429, {}), 1, 2, 1.0),
        (omega.TooManyRequests(429, {}, 0.0), 0, 2, 0.0),
        (omega.Unavailable(503, {}, 3600.0), 0, 2, None),
        (omega.ModelError("Overloaded.", 529), 0, 2, 0.5),
        (omega.ModelError("Wrong.", 400), 0, 2, None),
        (omega.ModelError("The stream says so.", 0), 0, 2, None),
        (omega.Unauthorized(401, {}), 0, 2, None),
        (omega.ApiError(500, {}), 0, 2, None),
        (omega.ConnectionFailed("Who knows whether it ran."), 0, 2, None),
    ],
)
def test_only_what_has_not_run_and_will_pass_is_sent_again(
    error: Exception, attempt: int, most: int, pause: float | None
) -> None:
    """After the time that the other side asks for, unless that is too long to wait unseen."""
    assert pause_s(error, attempt, most) == pause

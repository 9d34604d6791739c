"""When to ask again. Pure."""

from __future__ import annotations

from omega_client.errors import ModelError, TooManyRequests, Unavailable

LONGEST_S = 60.0
"""Longer than that nobody waits without knowing."""
MODEL_STATUSES = (408, 429, 500, 502, 503, 504, 529)


def pause_s(error: Exception, attempt: int, most: int) -> float | None:
    """The seconds to wait before attempt *attempt* + 1 after *error*; None if it is not for waiting.

    The gateway has carried nothing out when it answers 429 or 503, so that asking again runs no code twice.
    """
    if attempt >= most or not _passes(error):
        return None
    asked: float | None = getattr(error, "retry_after_s", None)
    wait = 0.5 * 2**attempt if asked is None else asked
    return wait if wait <= LONGEST_S else None


def _passes(error: Exception) -> bool:
    if isinstance(error, ModelError):
        return error.status in MODEL_STATUSES
    return isinstance(error, (TooManyRequests, Unavailable))

"""The answers to failed requests: one JSON form, and the headers that say what to do about each error. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gateway.core.errors import (
    BadRequest,
    GatewayError,
    MethodNotAllowed,
    NotFound,
    RangeNotSatisfiable,
    Unauthorized,
    UpgradeRequired,
)
from gateway.web.edge import json_answer

JSON_TYPE = "application/json; charset=utf-8"
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class InternalError(GatewayError):
    """A fault of the gateway; the log has its stack under the run id."""

    code = "internal"
    status = 500


def explain(status: int, error: BaseException | None, run_id: str, allowed: Sequence[str]) -> GatewayError:
    """The failure to answer with: *error* itself, one for Tornado's *status*, or an internal error."""
    if isinstance(error, GatewayError):
        return error
    match status:
        case 404:
            return NotFound("There is nothing at this address.")
        case 405:
            return not_allowed(allowed)
        case status if 400 <= status < 500:
            return BadRequest("The request is not valid HTTP.")
    return InternalError(f"internal error (run {run_id})")


def not_allowed(allowed: Sequence[str]) -> MethodNotAllowed:
    """The answer to a method that an address does not have."""
    return MethodNotAllowed(f"Allowed methods: {', '.join(allowed)}.")


def headers_of(error: GatewayError, allowed: Sequence[str]) -> dict[str, str]:
    """The headers of an answer with *error*, beside those of every answer. Retry-After is rounded up, to 1 at least."""
    headers = {"Content-Type": JSON_TYPE}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    match error:
        case Unauthorized():
            headers["WWW-Authenticate"] = 'Bearer realm="omega"'
        case MethodNotAllowed():
            headers["Allow"] = ", ".join(allowed)
        case RangeNotSatisfiable(size=size):
            headers["Content-Range"] = f"bytes */{size}"
        case UpgradeRequired():
            headers |= {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    return headers


def body_of(error: GatewayError) -> bytes:
    """*error* as JSON."""
    return json_answer.document(json_answer.describe_failure(type(error).__name__, error.message, error.code))

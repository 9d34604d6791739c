"""A request that is not carried out, in the one form and with the headers all addresses answer with. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gateway.core.errors import BadRequest, GatewayError, MethodNotAllowed, NotFound, Unauthorized, UpgradeRequired
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
    """A fault of ours; the log has the run id."""

    code = "internal"
    status = 500


def explain(status: int, error: BaseException | None, run_id: str, allowed: Sequence[str]) -> GatewayError:
    """Every failure as one of ours: ours by their class, Tornado's by their status, the rest as internal errors."""
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
    """What is answered to a method that an address does not have."""
    return MethodNotAllowed(f"Allowed methods: {', '.join(allowed)}.")


def headers_of(error: GatewayError, allowed: Sequence[str]) -> dict[str, str]:
    """The headers that tell a client what to do about *error*, beside those that every answer has."""
    headers = {"Content-Type": JSON_TYPE}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    match error:
        case Unauthorized():
            headers["WWW-Authenticate"] = 'Bearer realm="omega"'
        case MethodNotAllowed():
            headers["Allow"] = ", ".join(allowed)
        case UpgradeRequired():
            headers |= {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    return headers


def body_of(error: GatewayError) -> bytes:
    """*error* as JSON."""
    return json_answer.document(json_answer.describe_failure(type(error).__name__, error.message, error.code))

"""The failures a caller can meet: each has a stable code and a message that is safe to show."""

from __future__ import annotations


class GatewayError(Exception):
    """An expected failure. *code* is stable; *status* is the HTTP status the web layer answers with."""

    code = "error"
    status = 500

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class BadRequest(GatewayError):
    """The request is not of the documented form; nothing was run."""

    code = "bad_request"
    status = 400


class Unauthorized(GatewayError):
    """No token, or a wrong one."""

    code = "unauthorized"
    status = 401


class Forbidden(GatewayError):
    """Known caller, but this is not allowed."""

    code = "forbidden"
    status = 403


class NotFound(GatewayError):
    """Not there, or not yours: the two are not told apart."""

    code = "not_found"
    status = 404


class Gone(GatewayError):
    """It was there and yours, and has ended: culled, or deleted."""

    code = "gone"
    status = 410


class Conflict(GatewayError):
    """What is asked for does not fit the state things are in; nothing was changed."""

    code = "conflict"
    status = 409


class MethodNotAllowed(GatewayError):
    """The address exists, the method does not."""

    code = "method_not_allowed"
    status = 405


class TooLarge(GatewayError):
    """The request is over a size limit."""

    code = "too_large"
    status = 413


class UnsupportedMediaType(GatewayError):
    """The body is not declared as JSON, or is compressed."""

    code = "unsupported_media_type"
    status = 415


class RequestTimeout(GatewayError):
    """The request did not arrive in time."""

    code = "request_timeout"
    status = 408


class HeadersTooLarge(GatewayError):
    """The request's headers are over a limit."""

    code = "headers_too_large"
    status = 431


class Misdirected(GatewayError):
    """The Host header names a server this is not (DNS rebinding looks like that)."""

    code = "misdirected"
    status = 421


class UpgradeRequired(GatewayError):
    """The address speaks WebSocket, and the request does not ask for it."""

    code = "upgrade_required"
    status = 426


class TooManyRequests(GatewayError):
    """A limit on requests or runs of this key was reached, or too many wrong tokens came from one address."""

    code = "too_many_requests"
    status = 429


class NotImplementedYet(GatewayError):
    """Part of the API, but not of this installation: something it needs is missing."""

    code = "not_implemented"
    status = 501


class Busy(GatewayError):
    """The queue is full, or waiting for a kernel took too long."""

    code = "busy"
    status = 503


class Unavailable(GatewayError):
    """Kernels can't be started right now."""

    code = "unavailable"
    status = 503

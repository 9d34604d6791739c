"""The failures that a client can get: each has a stable code and a message that is safe to show.

GatewayError
├── BadRequest            400  parsers of bodies, paths and queries (web, core)
├── Unauthorized          401  token check (web/edge/header_rules, service/keys/admission)
├── Forbidden             403  Host and Origin rules (web/edge), allowed packages (service/packages)
├── NotFound              404  routes (web), sessions, kernels, runs and packages (service)
├── MethodNotAllowed      405  routes (web/edge)
├── RequestTimeout        408  slow bodies (web/edge/endpoint)
├── Conflict              409  state of a session or kernel (service/sessions, service/jupyter)
├── Gone                  410  ended sessions (service/sessions/table)
├── TooLarge              413  bodies (web/edge), files of sessions and packages (service)
├── UnsupportedMediaType  415  Content-Type and Content-Encoding (web)
├── RangeNotSatisfiable   416  parts of files (web/api/files)
├── Misdirected           421  Host header (web/edge/header_rules)
├── UpgradeRequired       426  WebSockets (web/edge/websocket)
├── TooManyRequests       429  rates and quotas of a key (service/keys, service/sessions, web/edge/unread)
├── HeadersTooLarge       431  number of headers (web/edge/header_rules)
├── NotImplementedYet     501  languages without kernels (pool, service/sessions)
├── Busy                  503  full queues and quotas (pool, service)
└── Unavailable           503  launchers and kernels (kernel), database and drain (service)

web/edge/failure.py maps each to its answer. CommandFailed is apart: what becomes of a command of the operator.
"""

from __future__ import annotations


class GatewayError(Exception):
    """An expected failure. *code* is stable; *status* is the HTTP status the web layer answers with."""

    code = "error"
    status = 500

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class CommandFailed(Exception):
    """What the operator asked for can't be done; the message is one sentence for them."""


class BadRequest(GatewayError):
    """The request does not have the documented form; nothing was run."""

    code = "bad_request"
    status = 400


class Unauthorized(GatewayError):
    """The token is missing or wrong."""

    code = "unauthorized"
    status = 401


class Forbidden(GatewayError):
    """The caller is known, but the request is not allowed."""

    code = "forbidden"
    status = 403


class NotFound(GatewayError):
    """It does not exist or belongs to another key; the answer is the same for both."""

    code = "not_found"
    status = 404


class Gone(GatewayError):
    """The caller's session has ended: it expired or was deleted."""

    code = "gone"
    status = 410


class Conflict(GatewayError):
    """The request conflicts with the current state; nothing was changed."""

    code = "conflict"
    status = 409


class MethodNotAllowed(GatewayError):
    """The address exists, but does not support the method."""

    code = "method_not_allowed"
    status = 405


class TooLarge(GatewayError):
    """The request exceeds a size limit."""

    code = "too_large"
    status = 413


class UnsupportedMediaType(GatewayError):
    """The body is not declared as JSON, or is compressed."""

    code = "unsupported_media_type"
    status = 415


class RangeNotSatisfiable(GatewayError):
    """The file, which has *size* bytes, has none of those that are asked for."""

    code = "range_not_satisfiable"
    status = 416

    def __init__(self, message: str, *, retry_after_s: float | None = None, size: int = 0) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.size = size


class RequestTimeout(GatewayError):
    """The request did not arrive in time."""

    code = "request_timeout"
    status = 408


class HeadersTooLarge(GatewayError):
    """The request's headers exceed a limit."""

    code = "headers_too_large"
    status = 431


class Misdirected(GatewayError):
    """The Host header names another server, as with DNS rebinding."""

    code = "misdirected"
    status = 421


class UpgradeRequired(GatewayError):
    """The address is a WebSocket, and the request is not an upgrade."""

    code = "upgrade_required"
    status = 426


class TooManyRequests(GatewayError):
    """The key has reached a limit on requests or runs, or one address sent too many wrong tokens."""

    code = "too_many_requests"
    status = 429


class NotImplementedYet(GatewayError):
    """This installation lacks something that this part of the API needs."""

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

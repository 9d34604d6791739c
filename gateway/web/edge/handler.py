"""What requests and WebSockets share when they are not carried out: one form of the answer, one line in the log."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import structlog
from tornado.web import HTTPError, RequestHandler

from gateway.core.errors import GatewayError
from gateway.web.edge import failure


class Failing(RequestHandler):
    """A handler whose failures all have the form of ``failure``."""

    run_id: str
    _ends_connection = False

    @classmethod
    def allowed_methods(cls) -> list[str]:
        """The methods this address has."""
        raise NotImplementedError

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every failure in one form: ours by their class, Tornado's by their status, the rest as internal errors."""
        exc_info = kwargs.get("exc_info")
        error = exc_info[1] if exc_info else None
        self._write_failure(failure.explain(status_code, error, self.run_id, self.allowed_methods()))
        _let_go(error)

    def _write_failure(self, error: GatewayError) -> None:
        self.set_status(error.status)
        for name, value in failure.headers_of(error, self.allowed_methods()).items():
            self.set_header(name, value)
        if self._ends_connection:
            self.set_header("Connection", "close")
        self.finish(self._failure_body(error))

    def _failure_body(self, error: GatewayError) -> bytes:
        """What is answered when the request is not carried out."""
        return failure.body_of(error)

    def log_exception(self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        """Expected failures are in the access log already; the others are logged with their stack and the run id."""
        if is_fault(value):
            structlog.get_logger("omega.web").error("request failed", run_id=self.run_id, exc_info=(typ, value, tb))


def is_fault(error: BaseException | None) -> bool:
    """Whether *error* is nobody's doing but ours."""
    return error is not None and not isinstance(error, (GatewayError, HTTPError))


def _let_go(error: BaseException | None) -> None:
    """Take the frames from *error*, which is logged: they hold the request and all that was read of it, in a circle."""
    while error is not None:
        error = error.with_traceback(None).__context__

"""Requests and replies as values: both clients, with and without asyncio, send and read the same. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from omega_client.errors import BY_STATUS, ApiError, ConnectionFailed, OmegaError

JSON = "application/json"
NOT_AS_DOCUMENTED = (TypeError, AttributeError, LookupError, ValueError, RecursionError)
"""What reading an answer raises that is none."""


@dataclass(frozen=True)
class Request:
    """An HTTP request below the address of a server.

    *work_s* is how long the server may work on it before it says anything, beside what it takes otherwise. *is_repeatable*:
    it may be sent again when it is not known whether it has arrived.
    """

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    work_s: float = 0.0
    is_repeatable: bool = False


@dataclass(frozen=True)
class Head:
    """What a reply begins with; the names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]

    @property
    def is_ok(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300

    @property
    def retry_after_s(self) -> float | None:
        """The seconds of Retry-After, None if it has none."""
        try:
            return max(0.0, float(self.headers.get("retry-after", "")))
        except ValueError:
            return None


@dataclass(frozen=True)
class Reply:
    """A whole reply."""

    head: Head
    body: bytes


def get(path: str) -> Request:
    """A GET."""
    return Request("GET", path, is_repeatable=True)


def post(path: str, body: object, work_s: float = 0.0) -> Request:
    """A POST of JSON. ValueError or TypeError if *body* has no form in JSON."""
    data = json.dumps(body, allow_nan=False).encode()
    return Request("POST", path, data, {"Content-Type": JSON}, work_s)


def header_lines(request: Request, common: Mapping[str, str]) -> dict[str, str]:
    """All headers of *request*; ValueError for one that would be more than a header."""
    headers = {**common, **request.headers}
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"The header {name} may have printable ASCII characters only")
    return headers


def read_json(reply: Reply) -> Any:
    """The document in *reply*. Raises ApiError."""
    data = checked(reply).body
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ApiError(reply.head.status, {"message": f"The answer is no JSON: {_start(data)}"}) from None


@contextmanager
def reading() -> Iterator[None]:
    """For reading an answer: one that is not as documented is ConnectionFailed, which says what was wrong with it."""
    try:
        yield
    except NOT_AS_DOCUMENTED as error:
        told = f"{type(error).__name__}: {error}"[:200]
        raise ConnectionFailed(f"The gateway's answer is not as documented: {told}") from error


def api_error(reply: Reply) -> ApiError:
    """What a reply that is no success says, whoever wrote it: a proxy in between does not speak as the gateway does."""
    status = reply.head.status
    kind = BY_STATUS.get(status, ApiError)
    try:
        error = json.loads(reply.body)["error"]
        return kind(status, error, reply.head.retry_after_s)
    except NOT_AS_DOCUMENTED:
        message = f"The server answered with status {status}: {_start(reply.body)}"
        return kind(status, {"message": message}, reply.head.retry_after_s)


def checked(reply: Reply, failure: Callable[[Reply], OmegaError] = api_error) -> Reply:
    """*reply*; raises what *failure* makes of it if it says that the request was not carried out."""
    if not reply.head.is_ok:
        raise failure(reply)
    return reply


def _start(data: bytes) -> str:
    return data[:200].decode("utf-8", "replace") or "(nothing)"

"""What each method of an address takes and answers with; the route table is built of these values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel

from gateway.web.edge.endpoint import Endpoint

JSON = "application/json"
FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of an address and its successful answer.

    *answer* names a schema of the API description; it is empty for an answer without a body. *streams*: the client may ask
    for server-sent events instead. *has_parts*: it may ask for a range of bytes, or for gzip. *has_csv*: it may ask for
    CSV. *takes* is the model of the body, or the name of its schema. *takes_gzip*: the body may be gzip. *query* names the
    parameters, *busy* the schema of a 503, *failure* that of all other errors.
    """

    method: str
    answer: str
    takes: type[BaseModel] | str = ""
    takes_type: str = JSON
    status: int = 200
    content_types: tuple[str, ...] = (JSON,)
    streams: bool = False
    query: tuple[str, ...] = ()
    busy: str = "Failure"
    failure: str = "Failure"
    takes_form: bool = False
    """Whether the fields of the body may also come as the parts of a form, with files."""
    has_parts: bool = False
    takes_gzip: bool = False
    has_csv: bool = False


def get(answer: str, *content_types: str, query: tuple[str, ...] = ()) -> Operation:
    """A GET that answers with *answer*, as JSON unless *content_types* names others."""
    return Operation("GET", answer, content_types=content_types or (JSON,), query=query)


def get_parts(answer: str, content_type: str) -> Operation:
    """A GET that answers with bytes, or with the range of them that the client asks for."""
    return Operation("GET", answer, content_types=(content_type,), has_parts=True)


def run(answer: str, body: type[BaseModel]) -> Operation:
    """A POST that runs *body*; the client may ask for server-sent events."""
    return Operation("POST", answer, body, streams=True)


def run_with_files(answer: str, body: type[BaseModel]) -> Operation:
    """The same; the body may also be a form with files."""
    return Operation("POST", answer, body, streams=True, takes_form=True)


def post(answer: str, takes: type[BaseModel] | str = "", *, status: int = 200) -> Operation:
    """A POST that answers with *answer*."""
    return Operation("POST", answer, takes, status=status)


def delete(answer: str = "", *, query: tuple[str, ...] = ()) -> Operation:
    """A DELETE that answers with *answer*, or with 204 and no body."""
    return Operation("DELETE", answer, status=200 if answer else 204, query=query)


class RouteEntry(Protocol):
    """What the API descriptions read of a route. Its class web.routes.Route imports them, so they can't import it."""

    @property
    def path(self) -> str: ...
    @property
    def endpoint(self) -> type[Endpoint]: ...
    @property
    def operations(self) -> tuple[Operation, ...]: ...

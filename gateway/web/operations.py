"""What each method of an address takes and answers with: the words the route table is written in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.web.endpoint import Endpoint
from gateway.web.wire import Body

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of an address, when all goes well.

    *answer* names a schema of the API description; without one there is no body. *streams* says that server-sent events can
    be had instead. *takes* is the model that the body is checked by, or the name of its schema; *query* names parameters;
    *busy* is the schema of a 503.
    """

    method: str
    answer: str
    takes: type[Body] | str = ""
    takes_type: str = JSON
    status: int = 200
    content_types: tuple[str, ...] = (JSON,)
    streams: bool = False
    query: tuple[str, ...] = ()
    busy: str = "Failure"


def get(answer: str, *content_types: str, query: tuple[str, ...] = ()) -> Operation:
    """A GET that answers with *answer*, as JSON unless other types are named."""
    return Operation("GET", answer, content_types=content_types or (JSON,), query=query)


def run(answer: str, body: type[Body]) -> Operation:
    """A POST of *body* that runs it, and can tell as events what happens."""
    return Operation("POST", answer, body, streams=True)


def post(answer: str, takes: type[Body] | str = "", *, status: int = 200) -> Operation:
    """A POST that answers with *answer*."""
    return Operation("POST", answer, takes, status=status)


def delete(answer: str = "", *, query: tuple[str, ...] = ()) -> Operation:
    """A DELETE that answers with *answer*, or with 204 and no body."""
    return Operation("DELETE", answer, status=200 if answer else 204, query=query)


class RouteEntry(Protocol):
    """What is described of a route; see web.routes.Route."""

    @property
    def path(self) -> str: ...
    @property
    def endpoint(self) -> type[Endpoint]: ...
    @property
    def operations(self) -> tuple[Operation, ...]: ...

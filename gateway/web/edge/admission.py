"""The admission of a request: what its headers must satisfy and whose token it shows. One order for every address."""

from __future__ import annotations

from dataclasses import dataclass

from tornado.httputil import HTTPServerRequest

from gateway.core.errors import TooLarge
from gateway.core.request import Caller
from gateway.web.edge import header_rules
from gateway.web.edge.connections import Connection, Connections
from gateway.web.edge.unread import Unread
from gateway.web.services import Keys, WebSettings


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Where addresses differ in what they ask of a request's headers."""

    takes_query_token: bool = False
    """Whether the token may be in the query string."""
    refuses_other_sites: bool = False
    """Whether Sec-Fetch-Site decides when there is no Origin header."""
    body_bytes: int | None = None
    """The largest body that may be declared. None: the endpoint checks it once the caller is known."""


class RequestAdmission:
    """One request on its way in. The first check that fails is the answer; nothing of the body is read before."""

    def __init__(
        self, request: HTTPServerRequest, settings: WebSettings, keys: Keys, connections: Connections, unread: Unread
    ) -> None:
        self._request = request
        self._settings = settings
        self._keys = keys
        self._connections = connections
        self._unread = unread
        self._lengths = request.headers.get_list("Content-Length")
        self._codings = request.headers.get_list("Transfer-Encoding")
        self.is_framed = False
        """Whether the end of the body is certain."""
        self.foreign_origin: str | None = None
        """The Origin of another site that was let in; its pages may read the answer."""

    @property
    def declared_bytes(self) -> int:
        """The length of the body by its header: 0 without one, -1 when it is not a length."""
        return header_rules.declared_bytes(self._lengths)

    @property
    def may_have_body(self) -> bool:
        """Whether anything may follow the headers."""
        return bool(self._codings) or self.declared_bytes != 0

    def check(self, rules: AddressRules) -> None:
        """Check what needs no caller; raises the GatewayError to answer with."""
        request, settings = self._request, self._settings
        self._check_body(rules.body_bytes)
        header_rules.check_headers(sum(1 for _ in request.headers.get_all()))
        hosts, origins = request.headers.get_list("Host"), request.headers.get_list("Origin")
        header_rules.check_host(hosts, settings.allowed_hosts)
        self.foreign_origin = header_rules.check_origin(origins, hosts[0], settings.allowed_origins)
        if rules.refuses_other_sites and not origins:
            header_rules.check_site(request.headers.get("Sec-Fetch-Site"))
        if not rules.takes_query_token:
            header_rules.check_query(request.query_arguments)

    def _check_body(self, limit_bytes: int | None) -> None:
        header_rules.check_framing(self._request.version, self._lengths, self._codings)
        self.is_framed = True
        if limit_bytes is not None and self.declared_bytes > limit_bytes:
            raise over_limit(limit_bytes)

    def admit(self, token: str, connection: Connection) -> Caller:
        """The caller whose *token* it is; its *connection* is not closed for newcomers until the request is answered.

        Raises Unauthorized, or TooManyRequests when the key is over its rate, or leaves too much unread. A DELETE is let
        in although much is unread: it may end what the key has too much of.
        """
        return self.admit_caller(self._keys.admit(token, self._request.remote_ip or ""), connection)

    def admit_caller(self, caller: Caller, connection: Connection) -> Caller:
        """*caller*, who is known already; otherwise as above."""
        self._connections.work(connection)
        if self._request.method != "DELETE":
            self._unread.check(caller.key_id)
        return caller


def over_limit(limit_bytes: int) -> TooLarge:
    """The answer to a body of more than *limit_bytes*."""
    return TooLarge(f"The body is over the limit of {limit_bytes} bytes.")

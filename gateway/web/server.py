"""The HTTP server: what Tornado decides before an endpoint exists, set to the gateway's rules."""

from __future__ import annotations

from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.web import Application

from gateway.web import answer
from gateway.web.endpoint import JSON_TYPE, SECURITY_HEADERS
from gateway.web.services import WebSettings

UNLIMITED = 2**62
"""Endpoints count bodies themselves: Tornado's own limit ends the connection without an answer that says why."""
TORNADO_REFUSAL = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class Server(HTTPServer):
    """An HTTPServer whose answers to malformed HTTP have the form and headers of all other errors."""

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Serve one connection, small writes not held back (TCP_NODELAY)."""
        stream.set_nodelay(True)
        send = stream.write

        def write(data: Any) -> Any:
            # Tornado writes this constant for a request it can't parse; there is no hook for it.
            return send(MALFORMED if data == TORNADO_REFUSAL else data)

        stream.write = write  # type: ignore[method-assign]  # see above
        super().handle_stream(stream, address)


def make_server(application: Application, settings: WebSettings) -> Server:
    """A server for *application*, not listening yet, with limits on headers and on slow clients."""
    return Server(
        application,
        max_header_size=settings.header_bytes,
        idle_connection_timeout=settings.header_timeout_s,
        body_timeout=settings.body_timeout_s,
        max_body_size=UNLIMITED,
        decompress_request=False,
    )


def _malformed() -> bytes:
    body = answer.dump(answer.describe_failure("BadRequest", "The request is not valid HTTP.", "bad_request"))
    headers = {
        "Content-Type": JSON_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **SECURITY_HEADERS,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 400 Bad Request\r\n{lines}\r\n".encode() + body


MALFORMED = _malformed()

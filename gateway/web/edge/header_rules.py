"""The rules for request headers: framing, Host, Origin, token, content type, upgrade. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Container, Mapping, Sequence
from urllib.parse import urlsplit

from tornado.httputil import HTTPHeaders

from gateway.core.errors import (
    BadRequest,
    Forbidden,
    HeadersTooLarge,
    Misdirected,
    Unauthorized,
    UnsupportedMediaType,
    UpgradeRequired,
)

ANY_HOST = "*"
TOKEN_CHARS = 512
MAX_HEADERS = 100
KEY_BYTES = 16
TOKEN_NAMES = ("token", "access_token", "api_key")
PATH_TOKEN = "path_token"
"""The part of the path that may be a token, for Jupyter clients that can't send headers: ``/t/TOKEN/api``."""
_JSON = "application/json"
_NO_WEIGHT = re.compile(r"q\s*=\s*0(\.0*)?")
_LIKE_A_TOKEN = re.compile(r"[A-Za-z0-9_-]{40,}")
_TOKEN_PATH = re.compile(r"(?:/|%2f)+(?:t|%74)(?:/|%2f)+[^/]*", re.IGNORECASE)
"""Also where it is not an address of the gateway (behind a host or dots, in capitals): it may still be a token."""
_LINK_PATH = re.compile(r"/downloads/[^/]*")
"""A link to a file opens it like a token."""


def host_name(host: str) -> str | None:
    """The name in a Host header in lower case, without its port; None when the header is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.hostname is None or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return parts.hostname.rstrip(".")


def check_host(hosts: Sequence[str], allowed: Collection[str]) -> None:
    """Accept a request with one Host header that names this server. A page that rebinds its own name has another."""
    if len(hosts) != 1:
        raise BadRequest("Exactly one Host header is required.")
    name = host_name(hosts[0])
    if name is None:
        raise BadRequest("The Host header is not a host name with an optional port.")
    if ANY_HOST not in allowed and name not in allowed:
        raise Misdirected("The host in the Host header is not allowed; see allowed_hosts.")


def check_origin(origins: Sequence[str], host: str, allowed: Collection[str]) -> str | None:
    """The allowed foreign origin, or None for the gateway's own or none; raises Forbidden for any other."""
    if not origins:
        return None
    if len(origins) == 1 and origins[0] in allowed:
        return origins[0]
    if len(origins) == 1 and _is_same_origin(origins[0], host):
        return None
    raise Forbidden("Requests from this Origin are not allowed; see allowed_origins.")


def check_site(site: str | None) -> None:
    """Accept a request without an Origin whose Sec-Fetch-Site, sent by browsers alone, is not another site."""
    if site not in (None, "none", "same-origin"):
        raise Forbidden("Requests from pages of other sites are not allowed; see allowed_origins.")


def _is_same_origin(origin: str, host: str) -> bool:
    """Whether *origin* is that of this server. The scheme does not count: a proxy may add TLS."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def bearer(headers: Sequence[str]) -> str:
    """The token of ``Authorization: Bearer X`` (or ``token X``, as Jupyter clients send it); raises Unauthorized."""
    if not headers:
        raise Unauthorized(
            "This is Omega Gateway; a token is required: send the header 'Authorization: Bearer <token>'. "
            "`omega token print` prints the token."
        )
    scheme, _, token = headers[0].partition(" ")
    token = token.strip()
    if len(headers) != 1 or scheme.lower() not in ("bearer", "token") or not token or len(token) > TOKEN_CHARS:
        raise Unauthorized("The Authorization header must be 'Bearer <token>'.")
    return token


def check_query(names: Container[str]) -> None:
    """Accept a query string without a token: logs, histories and Referer headers keep query strings."""
    for name in TOKEN_NAMES:
        if name in names:
            raise BadRequest(
                f"A token is not accepted in the query string ({name}=), because logs record it: "
                "send the header 'Authorization: Bearer <token>', and replace this token."
            )


def accepts(accept: str, kind: str) -> bool:
    """Whether an Accept header names the media type *kind*."""
    return any(named.partition(";")[0].strip().lower() == kind for named in accept.split(","))


def check_headers(count: int) -> None:
    """Accept at most MAX_HEADERS header lines."""
    if count > MAX_HEADERS:
        raise HeadersTooLarge(f"The request has more than {MAX_HEADERS} headers.")


def check_framing(version: str, lengths: Sequence[str], codings: Sequence[str]) -> None:
    """Accept a body whose end every proxy sees in the same place (RFC 9112 section 6.3); another could smuggle a request."""
    if declared_bytes(lengths) < 0:
        raise BadRequest("Exactly one Content-Length is allowed, and it must be a number of bytes.")
    if codings and lengths:
        raise BadRequest("Content-Length and Transfer-Encoding can't be used together.")
    if codings and (version == "HTTP/1.0" or [coding.lower() for coding in codings] != ["chunked"]):
        raise BadRequest("The only Transfer-Encoding accepted is chunked, with HTTP/1.1.")


def is_gzip(encoding: str | None) -> bool:
    """Whether a Content-Encoding says that the body is gzip, once."""
    return encoding is not None and encoding.strip().lower() == "gzip"


def check_encoding(encoding: str | None, *, takes_gzip: bool = False) -> None:
    """Accept an uncompressed body. A compressed one may be a thousand times larger than it is declared."""
    if encoding is None or encoding.strip().lower() == "identity" or (takes_gzip and is_gzip(encoding)):
        return
    if takes_gzip:
        raise UnsupportedMediaType("The only Content-Encoding accepted here is gzip.")
    raise UnsupportedMediaType("Compressed bodies are not accepted: leave out the Content-Encoding header.")


def accepts_gzip(accept: str) -> bool:
    """Whether an Accept-Encoding header names gzip, and not with a weight of 0 (RFC 9110, section 12.5.3)."""
    for named in accept.split(","):
        coding, *weights = (part.strip().lower() for part in named.split(";"))
        if coding == "gzip":
            return not any(_NO_WEIGHT.fullmatch(weight) for weight in weights)
    return False


def check_json(content_type: str | None) -> None:
    """Accept a body declared as JSON in UTF-8. Any web page can post a form, so forms are refused."""
    if content_type is None:
        raise UnsupportedMediaType("The body needs the header 'Content-Type: application/json'.")
    kind, *parameters = [part.strip().lower() for part in content_type.split(";")]
    if kind != _JSON:
        raise UnsupportedMediaType(
            f"The body must be JSON, declared by the header 'Content-Type: application/json', not {kind[:80]!r}."
        )
    charsets = [item.partition("=")[2].strip('"') for item in parameters if item.startswith("charset=")]
    if any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise UnsupportedMediaType("JSON bodies must be UTF-8: leave out the charset or set charset=utf-8.")


def check_upgrade(headers: HTTPHeaders) -> None:
    """Accept a request to go on as a WebSocket (RFC 6455 section 4.2.1)."""
    wants = {word.strip().lower() for word in headers.get("Connection", "").split(",")}
    if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in wants:
        raise UpgradeRequired("This address is a WebSocket: connect to it with a WebSocket client.")
    if headers.get_list("Sec-WebSocket-Version") != ["13"]:
        raise UpgradeRequired("Only version 13 of WebSocket is supported.")
    if not _is_key(headers.get_list("Sec-WebSocket-Key")):
        raise BadRequest("Sec-WebSocket-Key must be 16 bytes in base64.")


def _is_key(values: list[str]) -> bool:
    try:
        return len(values) == 1 and len(base64.b64decode(values[0], validate=True)) == KEY_BYTES
    except ValueError:
        return False


def shown_path(path: str) -> str:
    """*path* for the log: at most 200 characters, and without a token."""
    without_links = _LINK_PATH.sub("/downloads/***", path)
    return _LIKE_A_TOKEN.sub("***", _TOKEN_PATH.sub("/t/***", without_links))[:200]


def declares_body(headers: Mapping[str, str]) -> bool:
    """Whether a body is declared."""
    return "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0"


def declared_bytes(lengths: Sequence[str]) -> int:
    """The Content-Length: 0 without the header, -1 when it is not a length."""
    if not lengths:
        return 0
    text = lengths[0]
    return int(text) if len(lengths) == 1 and text.isascii() and text.isdigit() and len(text) < 19 else -1

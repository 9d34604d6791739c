"""Where a server is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Address:
    """A server, and the path below which everything is: "" or "/prefix"."""

    is_tls: bool
    host: str
    port: int
    prefix: str

    @property
    def host_header(self) -> str:
        """What the header Host says: the port stands there unless it is the usual one."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.is_tls else 80) else f"{name}:{self.port}"


def parse_address(url: str) -> Address:
    """The address in *url*; ValueError says what is wrong with it, without a password in it."""
    shown = url.rpartition("@")[2]
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{shown!r} is no URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{shown!r} is no URL of a server: write it as http://host:port")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"The URL of {parts.hostname!r} may have a path, but no user name, query or fragment")
    is_tls = parts.scheme == "https"
    return Address(is_tls, parts.hostname, port or (443 if is_tls else 80), parts.path.rstrip("/"))

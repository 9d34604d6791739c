"""The sockets the gateway listens on, bound first, so that a busy port is reported before anything starts."""

from __future__ import annotations

import errno
import resource
import socket
from collections.abc import Sequence

BACKLOG = 512
MINIMUM = 8


class PortError(Exception):
    """The address can't be bound; the message is one sentence for the operator."""


def bind(host: str, port: int) -> list[socket.socket]:
    """A bound socket for each address of *host*, all on one port; they refuse connections until listen()."""
    bound: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            chosen = bound[0].getsockname()[1] if bound else port
            try:
                bound.append(_bind_one(family, (address, chosen)))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise PortError(_reason(error, host, port)) from None
    except PortError:
        close(bound)
        raise
    if not bound:
        raise PortError(f"host {host} is not an address of this machine: set host to one of its addresses")
    return bound


def listen(sockets: Sequence[socket.socket], host: str) -> None:
    """Accept connections from now on."""
    for item in sockets:
        try:
            item.listen(BACKLOG)
        except OSError as error:
            raise PortError(_reason(error, host, item.getsockname()[1])) from None


def close(sockets: Sequence[socket.socket]) -> None:
    """Close all *sockets*."""
    for item in sockets:
        item.close()


def room_for(connections: int, others: int) -> int:
    """How many of *connections* can be open besides *others* files; raises this process's limit as far as possible.

    Without free descriptors a server can't even accept a connection to close it, and would retry for ever.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + others
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(MINIMUM, min(connections, most - others))


def _addresses(host: str, port: int) -> list[tuple[int, str]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise PortError(f"host {host} can't be resolved: {error}") from None
    return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))


def _bind_one(family: int, address: tuple[str, int]) -> socket.socket:
    item = socket.socket(family, socket.SOCK_STREAM)
    try:
        item.setblocking(False)
        item.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Otherwise :: would bind the IPv4 port, too, which has a socket of its own.
            item.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        item.bind(address)
    except OSError:
        item.close()
        raise
    return item


def _reason(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} on {host} is in use: stop the program that uses it, or set another port"
        case errno.EACCES:
            return f"port {port} on {host} needs privileges that this user lacks: set a port above 1023"
    return f"port {port} on {host} can't be used: {error.strerror}"

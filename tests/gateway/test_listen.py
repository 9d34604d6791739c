"""Taking the port, and what is said when it can't be had."""

from __future__ import annotations

import resource
import socket

import pytest

from gateway import listen
from tests.live import HANG_S


def test_all_addresses_of_a_name_share_one_port() -> None:
    """Also when the port is chosen by the system."""
    sockets = listen.bind("localhost", 0)
    assert len({item.getsockname()[1] for item in sockets}) == 1
    listen.close(sockets)


def test_connections_are_refused_until_the_gateway_listens() -> None:
    """A client must not hang on a gateway that is still starting."""
    sockets = listen.bind("127.0.0.1", 0)
    address = sockets[0].getsockname()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=HANG_S)
    listen.listen(sockets, "127.0.0.1")
    socket.create_connection(address, timeout=HANG_S).close()
    listen.close(sockets)


def test_a_busy_port_is_named() -> None:
    """With what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(listen.PortError, match=f"^port {port} on 127.0.0.1 is in use: stop the program that uses it"):
            listen.bind("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "said"),
    [("192.0.2.1", "host 192.0.2.1 is not an address of this machine"), ("no-such-host.invalid", "can't be resolved")],
)
def test_a_host_that_is_not_here_is_named(host: str, said: str) -> None:
    """One sentence each."""
    with pytest.raises(listen.PortError, match=said):
        listen.bind(host, 0)


@pytest.mark.parametrize(
    ("limits", "connections", "raised"),
    [
        ((256, 4096), 512, (712, 4096)),
        ((8192, 8192), 512, None),
        ((256, 600), 400, (600, 600)),
        ((256, 256), 56, None),
        ((64, 64), 8, None),
        ((1024, resource.RLIM_INFINITY), 512, None),
    ],
)
def test_connections_never_use_up_the_files_this_process_may_open(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], connections: int, raised: tuple[int, int] | None
) -> None:
    """Its limit is raised as far as it may be; where that is not enough there are fewer connections."""
    done: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _which, pair: done.append(pair))
    assert listen.room_for(512, 200) == connections
    assert done == ([raised] if raised else [])

"""The network of a kernel: its own loopback and nothing else."""

from __future__ import annotations

import fcntl
import socket
import struct
from typing import Final

from kernels.sandbox import sysc

HOST_NAME: Final = "omega"
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1


def raise_loopback() -> None:
    """Bring up lo in the caller's network namespace; local servers and ipykernel's own pipe need it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        asked = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(sock, _SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def hide_host_name() -> None:
    """Answer a fixed name instead of the machine's."""
    sysc.sethostname(HOST_NAME)
    sysc.setdomainname("(none)")

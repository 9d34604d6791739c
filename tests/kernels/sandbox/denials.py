"""Reads a log of strace for system calls that were denied, and knows which denials are harmless."""

from __future__ import annotations

import re

STRACE = ("strace", "-f", "-qq", "-Z")
"""Calls that failed, of a process and all that it starts."""
_DENIED = re.compile(r"^\d+ +(\w+)\((.*)\) += -1 (ENOSYS|EPERM|EACCES|ENOPROTOOPT)", re.MULTILINE)


def strange_denials(log: str) -> list[tuple[str, str, str]]:
    """Call, arguments and error of each denial that no library is known to fall back from: a program that may break."""
    return [line for line in _DENIED.findall(log) if not _is_known(*line)]


def _is_known(call: str, arguments: str, error: str) -> bool:
    """clone3 falls back to clone, OpenBLAS to memory without a policy, isatty() to no, Node from io_uring to epoll.

    libzmq would put into the name of a connection whose it is.
    """
    if call == "getsockopt":
        return "SO_PEERCRED" in arguments
    if call == "ioctl":
        return any(name in arguments for name in ("TCGETS", "SIOCGIFCONF"))
    return (call, error) in {("clone3", "ENOSYS"), ("mbind", "EPERM"), ("io_uring_setup", "ENOSYS")}

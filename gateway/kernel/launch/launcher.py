"""What a launcher of kernels is. There are two: *zygote* (sandboxed, fast) and *provisioner* (any kernelspec)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.core.model import Death
from kernels.contract import Language, Policy


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """Which kernel to start and with which limits; *env* is set before any user code exists."""

    language: Language
    policy: Policy
    env: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    """What messages are signed with (ASCII); "" for one of the launcher's choice."""
    place: str = ""
    """The id of a held kernel whose place this one joins as a guest (see place.Places); "" for a place of its own."""


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """Where to reach a kernel: ``ipc://{directory}/{channel}`` for the four channels, messages signed with *key*.

    *addresses* has the channels that are elsewhere: a socket's path, or ``tcp://HOST:PORT``.
    """

    directory: str
    key: str
    addresses: Mapping[str, str] = field(default_factory=dict)


class KernelProcess(Protocol):
    """The process of a started kernel."""

    kernel_id: str
    endpoint: ConnectionInfo

    async def interrupt(self) -> None:
        """Send SIGINT; code that obeys stops, and the kernel keeps its state."""

    async def kill(self) -> Death:
        """End the kernel and everything it started; answers once all is gone. Safe to call again."""

    async def wait(self) -> Death:
        """How the kernel died; waits until it has."""


class Launcher(Protocol):
    """Starts kernels. Raises Unavailable when it can't."""

    async def launch(self, request: LaunchRequest) -> KernelProcess:
        """A confined, running kernel whose sockets accept connections."""

    async def close(self) -> None:
        """End every kernel and every helper process."""

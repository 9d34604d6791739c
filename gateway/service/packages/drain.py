"""Installations under way are counted, so that the gateway waits for them at its end."""

from __future__ import annotations

from typing import Protocol

from gateway.service.packages.installer import Installed
from gateway.service.runs.drain import Gate


class Installs(Protocol):
    """Adds packages; see install.Installer."""

    async def install(self, package: str) -> Installed:
        """What was installed."""


class GatedInstalls:
    """An installer behind the gate."""

    def __init__(self, gate: Gate, installs: Installs) -> None:
        self._gate, self._installs = gate, installs

    async def install(self, package: str) -> Installed:
        """What was installed; raises Unavailable when the gateway is ending."""
        with self._gate.enter():
            return await self._installs.install(package)

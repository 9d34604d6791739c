"""Health is what the spawner said last, and nothing an outsider should not know."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.errors import Unavailable
from gateway.service.health import Health, HealthReport
from kernels.contract import Ready


@dataclass
class Source:
    now: Ready | None = None

    @property
    def ready(self) -> Ready:
        if self.now is None:
            raise Unavailable("the spawner is not ready: /secret/path")
        return self.now


def test_health_follows_the_spawner() -> None:
    """While it restarts, level and version are the last ones known."""
    source = Source()
    health = Health(source)
    assert health.report() == HealthReport(False, "unknown", "unknown")
    source.now = Ready("L3", "3.11.7")
    assert health.report() == HealthReport(True, "Python 3.11.7", "L3")
    source.now = None
    assert health.report() == HealthReport(False, "Python 3.11.7", "L3")

"""Health is what the spawner said last, and nothing an outsider should not know."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.errors import Unavailable
from gateway.service.health import Health, HealthReport
from kernels.contract import Language, Ready


@dataclass
class Source:
    now: Ready | None = None
    failing: tuple[Language, ...] = ()

    @property
    def ready(self) -> Ready:
        if self.now is None:
            raise Unavailable("the spawner is not ready: /secret/path")
        return self.now

    def starts(self, language: Language) -> bool:
        return language not in self.failing


def test_health_follows_the_spawner() -> None:
    """While it restarts, level and version are the last ones known."""
    source = Source()
    health = Health(source)
    assert health.report() == HealthReport(False, "unknown", "unknown")
    source.now = Ready("L3", "3.11.7")
    assert health.report() == HealthReport(True, "Python 3.11.7", "L3")
    source.now = None
    assert health.report() == HealthReport(False, "Python 3.11.7", "L3")


def test_javascript_is_there_when_the_kernels_environment_has_node_and_its_kernels_start() -> None:
    """Python is not affected when it is not."""
    node = Ready("L3", "3.11.7", {}, {"numpy": "2.0", "Node.js": "24.19.0"})
    report = Health(Source(node)).report()
    assert (report.available, report.has_javascript, report.javascript_version) == (True, True, "Node.js 24.19.0")
    report = Health(Source(node, ("javascript",))).report()
    assert (report.available, report.has_javascript) == (True, False)
    report = Health(Source(Ready("L3", "3.11.7"))).report()
    assert (report.available, report.has_javascript, report.javascript_version) == (True, False, "unknown")

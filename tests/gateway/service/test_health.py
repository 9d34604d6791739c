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
    unavailable_since: float | None = None

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
    source.now, source.unavailable_since = None, 1e9
    assert health.report() == HealthReport(False, "Python 3.11.7", "L3", unavailable_since_utc=1e9)
    source.now, source.unavailable_since = Ready("L3", "3.11.7"), None
    assert health.report() == HealthReport(True, "Python 3.11.7", "L3")


def test_javascript_is_there_when_the_kernels_environment_has_node_and_its_kernels_start() -> None:
    """Python is not affected when it is not."""
    node = Ready("L3", "3.11.7", {}, {"numpy": "2.0", "Node.js": "24.19.0"})
    report = Health(Source(node)).report()
    assert (report.available, report.has_javascript, report.javascript_version) == (True, True, "Node.js 24.19.0")
    report = Health(Source(node, ("javascript",))).report()
    assert (report.available, report.has_javascript) == (True, False)
    report = Health(Source(Ready("L3", "3.11.7"))).report()
    assert (report.available, report.has_javascript, report.javascript_version) == (True, False, "unknown")


def test_numbers_for_an_alarm_name_the_languages_there_are() -> None:
    """Nobody is woken by a language that was never installed; one that was counts while the spawner is away too."""
    source = Source(Ready("L3", "3.11.7"))
    health = Health(source)
    assert health.available() == {"python": 1}
    source.now = Ready("L3", "3.11.7", {}, {"Node.js": "24.19.0"})
    assert health.available() == {"python": 1, "javascript": 1}
    source.now = None
    assert health.available() == {"python": 0, "javascript": 0}

"""Prometheus metrics of runs, queue, pool, kernels, history and HTTP, in a registry of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST
RUN_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
WAIT_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)
START_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Snapshot(Protocol):
    """The gauges of one pool; see pool.recipe_pool.PoolSnapshot."""

    @property
    def language(self) -> str: ...
    @property
    def idle(self) -> int: ...
    @property
    def starting(self) -> int: ...
    @property
    def leased(self) -> int: ...
    @property
    def ending(self) -> int: ...
    @property
    def waiting(self) -> int: ...


class Metrics:
    """The counters of one gateway; every method may be called from any thread and never fails."""

    def __init__(self, version: str = "0") -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("omega_build", "Version of the gateway", registry=registry).info({"version": version})
        self._make_run_metrics(registry)
        self._make_pool_metrics(registry)
        self._sessions_started = Counter("omega_sessions", "Sessions created", ["language"], registry=registry)
        self._sessions_ended = Counter(
            "omega_session_ends", "Ended sessions by reason", ["language", "how"], registry=registry
        )
        self._http = Counter(
            "omega_http_requests", "HTTP requests answered", ["route", "method", "status"], registry=registry
        )
        self._history_written = Counter("omega_history_rows", "Runs written to the history", registry=registry)
        self._history_dropped = Counter(
            "omega_history_dropped_rows", "Runs that could not be written to the history", ["reason"], registry=registry
        )

    def _make_run_metrics(self, registry: CollectorRegistry) -> None:
        self._runs = Counter("omega_runs", "Finished runs by outcome", ["kind", "outcome"], registry=registry)
        self._runs_active = Gauge(
            "omega_runs_active", "Runs in progress or waiting for a kernel", ["kind"], registry=registry
        )
        self._run_seconds = Histogram(
            "omega_run_seconds",
            "Time from request to result, including the wait for a kernel",
            ["kind"],
            buckets=RUN_BUCKETS,
            registry=registry,
        )

    def _make_pool_metrics(self, registry: CollectorRegistry) -> None:
        self._wait_seconds = Histogram(
            "omega_queue_wait_seconds",
            "Time a request waited for a kernel, by outcome",
            ["language", "outcome"],
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        self._start_seconds = Histogram(
            "omega_kernel_start_seconds",
            "Time to start a kernel",
            ["language"],
            buckets=START_BUCKETS,
            registry=registry,
        )
        self._starts_failed = Counter(
            "omega_kernel_start_failures", "Kernels that failed to start", ["language"], registry=registry
        )
        self._ends = Counter("omega_kernel_ends", "Ended kernels by cause", ["language", "cause"], registry=registry)

    def watch_pool(self, snapshot: Callable[[], Iterable[Snapshot]]) -> None:
        """Read the pool's gauges from *snapshot* at each rendering."""
        self.registry.register(_PoolCollector(snapshot))

    def watch_sessions(self, states: Callable[[], Mapping[tuple[str, str], int]]) -> None:
        """Read the number of sessions by language and state from *states* at each rendering."""
        self.registry.register(_SessionCollector(states))

    def watch_health(self, available: Callable[[], Mapping[str, int]]) -> None:
        """Read 1 or 0 by language from *available* at each rendering."""
        about = "1 if kernels can be started, 0 if not"
        self.registry.register(_StateCollector("omega_kernels_available", about, available, label="language"))

    def watch_connections(self, states: Callable[[], Mapping[str, int]]) -> None:
        """Read the number of connections by state from *states* at each rendering."""
        self.registry.register(_StateCollector("omega_connections", "Open connections by state", states))

    def watch_streams(self, states: Callable[[], Mapping[str, int]]) -> None:
        """Read the number of runs with events by state from *states* at each rendering."""
        self.registry.register(_StateCollector("omega_stream_runs", "Runs whose events clients can follow", states))

    def watch_kept_pictures(self, used_bytes: Callable[[], int]) -> None:
        """Read what pictures take that answers of tools link to, from *used_bytes* at each rendering."""
        about = "Pictures that answers of tools link to"
        Gauge("omega_kept_pictures_bytes", about, registry=self.registry).set_function(used_bytes)

    def render(self) -> bytes:
        """All metrics in the text format of CONTENT_TYPE."""
        return generate_latest(self.registry)

    def run_started(self, task: str) -> None:
        """A run of *task* has begun."""
        self._runs_active.labels(task).inc()

    def run_ended(self, task: str, outcome: str, wall_s: float) -> None:
        """A run of *task* has ended with *outcome*."""
        self._runs_active.labels(task).dec()
        self._runs.labels(task, outcome).inc()
        self._run_seconds.labels(task).observe(wall_s)

    def lease_waited(self, language: str, wait_s: float, outcome: str) -> None:
        """A request got a kernel (outcome ok), or was refused, after *wait_s*."""
        self._wait_seconds.labels(language, outcome).observe(wait_s)

    def kernel_started(self, language: str, took_s: float) -> None:
        """A kernel is ready."""
        self._start_seconds.labels(language).observe(took_s)

    def kernel_start_failed(self, language: str) -> None:
        """A kernel failed to start."""
        self._starts_failed.labels(language).inc()

    def kernel_ended(self, language: str, cause: str) -> None:
        """A kernel has ended."""
        self._ends.labels(language, cause).inc()

    def session_started(self, language: str) -> None:
        """A session was created."""
        self._sessions_started.labels(language).inc()

    def session_ended(self, language: str, how: str) -> None:
        """A session has ended: culled, expired, deleted or shutdown."""
        self._sessions_ended.labels(language, how).inc()

    def request_answered(self, route: str, method: str, status: int) -> None:
        """A request was answered. *route* is the pattern, never the path, so that callers can't add series."""
        self._http.labels(route, method if method in METHODS else "other", str(status)).inc()

    def history_written(self, rows: int) -> None:
        """*rows* runs are on disk."""
        self._history_written.inc(rows)

    def history_dropped(self, rows: int, reason: str) -> None:
        """*rows* runs were dropped."""
        self._history_dropped.labels(reason).inc(rows)


class _PoolCollector(Collector):
    """Gauges read from the pool at each rendering, so that they can't drift from it."""

    STATES = ("idle", "starting", "leased", "ending")

    def __init__(self, snapshot: Callable[[], Iterable[Snapshot]]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Kernels by state, and the length of the queue, of all recipes of a language together."""
        kernels = GaugeMetricFamily("omega_pool_kernels", "Kernels by state", labels=["language", "state"])
        queue = GaugeMetricFamily("omega_queue_length", "Requests waiting for a kernel", labels=["language"])
        pools = list(self._snapshot())
        for language in sorted({pool.language for pool in pools}):
            mine = [pool for pool in pools if pool.language == language]
            queue.add_metric([language], sum(pool.waiting for pool in mine))
            for state in self.STATES:
                kernels.add_metric([language, state], sum(getattr(pool, state) for pool in mine))
        yield kernels
        yield queue


class _SessionCollector(Collector):
    """Sessions at the time of rendering."""

    STATES = ("starting", "idle", "busy")

    def __init__(self, states: Callable[[], Mapping[tuple[str, str], int]]) -> None:
        self._states = states

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Live sessions by language and state."""
        gauge = GaugeMetricFamily("omega_sessions_live", "Sessions by state", labels=["language", "state"])
        counts = self._states()
        for language in sorted({language for language, _ in counts}):
            for state in self.STATES:
                gauge.add_metric([language, state], counts.get((language, state), 0))
        yield gauge


class _StateCollector(Collector):
    """A number by state (or another *label*) at the time of rendering."""

    def __init__(self, name: str, about: str, states: Callable[[], Mapping[str, int]], label: str = "state") -> None:
        self._name = name
        self._about = about
        self._states = states
        self._label = label

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One series for each state."""
        gauge = GaugeMetricFamily(self._name, self._about, labels=[self._label])
        for state, count in self._states().items():
            gauge.add_metric([state], count)
        yield gauge

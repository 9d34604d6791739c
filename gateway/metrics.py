"""Everything counted, for Prometheus: runs, queue, pool, kernels, history and HTTP, in a registry of its own."""

from __future__ import annotations

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

CONTENT_TYPE = CONTENT_TYPE_LATEST
RUN_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
WAIT_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)
START_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The counters of one gateway; every method may be called from any thread and never fails."""

    def __init__(self, version: str = "0") -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("omega_build", "Which gateway this is", registry=registry).info({"version": version})
        self._make_run_metrics(registry)
        self._make_pool_metrics(registry)
        self._http = Counter("omega_http_requests", "Answered requests", ["route", "method", "status"], registry=registry)
        self._history_written = Counter("omega_history_rows", "Runs written to the history", registry=registry)
        self._history_dropped = Counter(
            "omega_history_dropped_rows", "Runs missing from the history", ["reason"], registry=registry
        )

    def _make_run_metrics(self, registry: CollectorRegistry) -> None:
        self._runs = Counter("omega_runs", "Runs by how they ended", ["kind", "outcome"], registry=registry)
        self._runs_active = Gauge("omega_runs_active", "Runs going on, waiting ones included", ["kind"], registry=registry)
        self._run_seconds = Histogram(
            "omega_run_seconds",
            "Time from request to result, waiting included",
            ["kind"],
            buckets=RUN_BUCKETS,
            registry=registry,
        )

    def _make_pool_metrics(self, registry: CollectorRegistry) -> None:
        language = ["language"]
        self._queue_seconds = Histogram(
            "omega_queue_wait_seconds", "Time waited for a kernel", language, buckets=WAIT_BUCKETS, registry=registry
        )
        self._pool_kernels = Gauge("omega_pool_kernels", "Kernels by state", ["language", "state"], registry=registry)
        self._queue_length = Gauge("omega_queue_length", "Requests waiting for a kernel", language, registry=registry)
        self._refused = Counter(
            "omega_queue_refused", "Requests that got no kernel", ["language", "reason"], registry=registry
        )
        self._start_seconds = Histogram(
            "omega_kernel_start_seconds", "Time to start a kernel", language, buckets=START_BUCKETS, registry=registry
        )
        self._starts_failed = Counter(
            "omega_kernel_start_failures", "Kernels that did not start", language, registry=registry
        )
        self._deaths = Counter("omega_kernel_deaths", "Kernels by how they ended", ["language", "cause"], registry=registry)

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

    def request_answered(self, route: str, method: str, status: int) -> None:
        """A request was answered. *route* is the pattern, never the path, so that callers can't add series."""
        self._http.labels(route, method if method in METHODS else "other", str(status)).inc()

    def history_written(self, rows: int) -> None:
        """*rows* runs are on disk."""
        self._history_written.inc(rows)

    def history_dropped(self, rows: int, reason: str) -> None:
        """*rows* runs were given up."""
        self._history_dropped.labels(reason).inc(rows)

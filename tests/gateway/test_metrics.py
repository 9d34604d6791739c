"""What Prometheus gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gateway.core.fold import cause_of
from gateway.core.model import Death
from gateway.metrics import Metrics
from gateway.pool.shelf import PoolSnapshot
from gateway.service.kernel_watch import KernelWatch


@dataclass
class Numbers:
    """The rendered metrics by series."""

    metrics: Metrics

    def __getitem__(self, series: str) -> float:
        lines = self.metrics.render().decode().splitlines()
        [value] = [line.removeprefix(series) for line in lines if line.startswith(series + " ")]
        return float(value)


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    """Metrics of one gateway; a second one beside it must not collide."""
    Metrics("other")
    yield Metrics("1.2.3")


def test_runs_are_counted_by_kind_and_outcome(metrics: Metrics) -> None:
    """With the time they took, and how many are going on."""
    numbers = Numbers(metrics)
    metrics.run_started("python")
    metrics.run_started("python")
    metrics.run_ended("python", "timeout", 0.3)
    assert numbers['omega_runs_total{kind="python",outcome="timeout"}'] == 1
    assert numbers['omega_runs_active{kind="python"}'] == 1
    assert numbers['omega_run_seconds_bucket{kind="python",le="0.5"}'] == 1
    assert numbers['omega_run_seconds_bucket{kind="python",le="0.2"}'] == 0
    assert numbers['omega_build_info{version="1.2.3"}'] == 1


def test_pool_gauges_are_those_of_the_moment(metrics: Metrics) -> None:
    """All recipes of a language are added up."""
    pools = [PoolSnapshot("python", True, 2, 1, 3, 0, 4, 2, 0), PoolSnapshot("python", False, 0, 0, 1, 1, 0, 0, 0)]
    metrics.watch_pool(lambda: pools)
    numbers = Numbers(metrics)
    assert numbers['omega_pool_kernels{language="python",state="idle"}'] == 2
    assert numbers['omega_pool_kernels{language="python",state="leased"}'] == 4
    assert numbers['omega_queue_length{language="python"}'] == 4
    pools.clear()
    assert "omega_pool_kernels{" not in metrics.render().decode()


def test_callers_cannot_add_series(metrics: Metrics) -> None:
    """A method that nobody knows is counted as other."""
    metrics.request_answered("/code-interpreter/python", "GET" * 1000, 405)
    assert Numbers(metrics)['omega_http_requests_total{method="other",route="/code-interpreter/python",status="405"}'] == 1


@pytest.mark.parametrize(
    ("death", "cause"),
    [
        (Death(0, 9, out_of_memory=False, asked=True), "asked"),
        (Death(0, 9, out_of_memory=True, asked=False), "memory"),
        (Death(0, 11, out_of_memory=False, asked=False), "SIGSEGV"),
        (Death(0, 200, out_of_memory=False, asked=False), "signal"),
        (Death(3, 0, out_of_memory=False, asked=False), "exit"),
    ],
)
def test_deaths_are_told_apart(metrics: Metrics, death: Death, cause: str) -> None:
    """In few words, so that series stay few."""
    KernelWatch(metrics).kernel_ended("python", death, was_idle=False)
    assert cause_of(death) == cause
    assert Numbers(metrics)[f'omega_kernel_ends_total{{cause="{cause}",language="python"}}'] == 1


def test_starts_waits_and_history_are_counted(metrics: Metrics) -> None:
    """Each under its own name."""
    watch = KernelWatch(metrics)
    watch.kernel_started("python", 0.015)
    watch.start_failed("python", "why")
    metrics.lease_waited("python", 0.002, "busy")
    metrics.history_written(3)
    metrics.history_dropped(2, "queue full")
    numbers = Numbers(metrics)
    assert numbers['omega_kernel_start_seconds_bucket{language="python",le="0.02"}'] == 1
    assert numbers['omega_kernel_start_failures_total{language="python"}'] == 1
    assert numbers['omega_queue_wait_seconds_count{language="python",outcome="busy"}'] == 1
    assert numbers["omega_history_rows_total"] == 3
    assert numbers['omega_history_dropped_rows_total{reason="queue full"}'] == 2

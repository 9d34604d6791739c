"""Kernel clients on speaking fakes."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway.kernel.client import ClientSettings, KernelClient
from tests.fakes import FakeKernel, Script, say_ok

QUICK = ClientSettings(connect_timeout_s=5.0, grace_s=0.2, drain_s=0.1, loss_s=0.1)
Connect = Callable[..., Awaitable[tuple[KernelClient, FakeKernel]]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """A function that answers with a connected client and the fake kernel it talks to."""
    pairs: list[tuple[KernelClient, FakeKernel]] = []

    async def make(script: Script = say_ok, **settings: Any) -> tuple[KernelClient, FakeKernel]:
        kernel = FakeKernel(script)
        merged = {name: getattr(QUICK, name) for name in ClientSettings.__slots__} | settings
        client = KernelClient(kernel, memory_bytes=512 * 2**20, settings=ClientSettings(**merged))
        pairs.append((client, kernel))
        await client.connect()
        return client, kernel

    yield make
    for client, kernel in pairs:
        await client.kill()
        await kernel.close()
    gc.collect()

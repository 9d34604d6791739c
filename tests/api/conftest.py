"""The caller that every test here uses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.caller import Caller
from tests.api.jupyter import Jupyter
from tests.live import Gateway


@pytest.fixture
def caller(gateway: Gateway) -> Caller:
    """A caller of the session's gateway."""
    return Caller(gateway)


@pytest_asyncio.fixture
async def jupyter(gateway: Gateway) -> AsyncIterator[Jupyter]:
    """A Jupyter client of the session's gateway, whose connections are closed after the test."""
    caller = Jupyter(gateway)
    yield caller
    await caller.close()

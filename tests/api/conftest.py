"""The caller that every test here uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.api.caller import Caller
from tests.api.jupyter import Jupyter
from tests.live import Gateway, serving


@pytest.fixture
def caller(gateway: Gateway) -> Caller:
    """A caller of the session's gateway."""
    return Caller(gateway)


@pytest.fixture(scope="session")
def narrow(gateway: Gateway) -> Iterator[Gateway]:
    """A gateway whose operator allows less than usual, for tests that each meet one of its limits."""
    few = ("--max-connections", "64", "--sessions-per-key", "2", "--session-idle-s", "1")
    with serving(*few, "--cpu-s", "1", "--chart-data-bytes", "0") as running:
        yield running


@pytest_asyncio.fixture
async def jupyter(gateway: Gateway) -> AsyncIterator[Jupyter]:
    """A Jupyter client of the session's gateway, whose connections are closed after the test."""
    caller = Jupyter(gateway)
    yield caller
    await caller.close()

"""What the tests of the Python client share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import omega_client as omega
from tests.clients.python.both import KINDS, Both
from tests.live import Gateway


@pytest.fixture(params=KINDS)
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    """Each client, one after the other."""
    client = Both(request.param)
    yield client
    client.close()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[omega.Client]:
    """A client of the session's gateway."""
    with omega.Client(gateway.url, gateway.token) as made:
        yield made

"""The caller that every test here uses."""

from __future__ import annotations

import pytest

from tests.api.caller import Caller
from tests.live import Gateway


@pytest.fixture
def caller(gateway: Gateway) -> Caller:
    """A caller of the session's gateway."""
    return Caller(gateway)

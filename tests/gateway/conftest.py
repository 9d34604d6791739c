"""Fixtures that the tests of several layers share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is referred to in a circle stays."""
    gc.disable()
    yield
    gc.enable()

"""Python kernels for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernels.conftest import Start, starter
from tests.kernels.python.harness import ForkServer, TestKernel

__all__ = ["Start"]


@pytest.fixture
def start(server: ForkServer) -> Iterator[Start]:
    """Starts kernels; all are gone after the test."""
    yield from starter(server)


@pytest.fixture
def kernel(start: Start) -> TestKernel:
    """A fresh kernel."""
    return start()


@pytest.fixture(scope="module")
def shared(server: ForkServer) -> Iterator[TestKernel]:
    """One kernel for a module's tests that leave nothing behind."""
    for begin in starter(server):
        yield begin()

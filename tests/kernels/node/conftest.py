"""JavaScript kernels for the tests of this folder."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from tests.kernels.conftest import Start, starter
from tests.kernels.python.harness import ForkServer, TestKernel


@pytest.fixture(scope="session")
def node(server: ForkServer) -> None:
    """The kernels' environment has Node."""
    if "Node.js" not in server.ready["packages"]:
        pytest.skip("the kernels' environment has no Node.js")


@pytest.fixture
def start(node: None, server: ForkServer) -> Iterator[Start]:
    """Starts kernels; all are gone after the test."""
    for begin in starter(server):
        yield functools.partial(begin, language="javascript")


@pytest.fixture
def kernel(start: Start) -> TestKernel:
    """A fresh kernel."""
    return start()


@pytest.fixture(scope="module")
def shared(node: None, server: ForkServer) -> Iterator[TestKernel]:
    """One kernel for a module's tests that leave nothing behind."""
    for begin in starter(server):
        yield begin(language="javascript")

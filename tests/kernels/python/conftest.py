"""One preloaded process for all tests of this folder, and kernels forked from it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernels.python.harness import PYTHON, ForkServer, TestKernel

Start = Callable[..., TestKernel]


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    """The preloaded process; skipped where there is no kernel environment."""
    if not PYTHON.exists():
        pytest.skip(f"no kernel python at {PYTHON}: run make, or name one in OMEGA_KERNEL_PYTHON")
    made = ForkServer()
    yield made
    made.close()


def _starter(server: ForkServer) -> Iterator[Start]:
    with contextlib.ExitStack() as ends:

        def start(**options: dict[str, str]) -> TestKernel:
            directory = Path(tempfile.mkdtemp(prefix="omega-k-"))
            ends.callback(shutil.rmtree, directory)
            kernel = TestKernel(server, directory, **options)
            ends.callback(kernel.close)
            return kernel

        yield start


@pytest.fixture
def start(server: ForkServer) -> Iterator[Start]:
    """Starts kernels; all are gone after the test."""
    yield from _starter(server)


@pytest.fixture
def kernel(start: Start) -> TestKernel:
    """A fresh kernel."""
    return start()


@pytest.fixture(scope="module")
def shared(server: ForkServer) -> Iterator[TestKernel]:
    """One kernel for a module's tests that leave nothing behind."""
    for starter in _starter(server):
        yield starter()

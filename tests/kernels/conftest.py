"""One preloaded process for all tests of kernels without a sandbox, and kernels forked from it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernels.python.harness import PYTHON, ForkServer, TestKernel

Start = Callable[..., TestKernel]


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    """The preloaded process; skipped where there is no kernel environment."""
    if not PYTHON.exists():
        pytest.skip(f"no kernel python at {PYTHON}: run make install-kernels, or name one in OMEGA_KERNEL_PYTHON")
    made = ForkServer()
    yield made
    made.close()


def starter(server: ForkServer) -> Iterator[Start]:
    """Starts kernels of *server*; all are gone afterwards."""
    with contextlib.ExitStack() as ends:

        def start(**options: Any) -> TestKernel:
            directory = Path(tempfile.mkdtemp(prefix="omega-k-"))
            ends.callback(shutil.rmtree, directory)
            kernel = TestKernel(server, directory, **options)
            ends.callback(kernel.close)
            return kernel

        yield start

"""One gateway for each setting, shared by the tests of a session."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.levels import places
from tests.live import Gateway

LEVELS = {"user": "L2+", "masked": "L2", "container-user": "L1", "container-root": "L1", "five": "L3"}
"""The level each setting allows on a machine where root reaches L3."""


@pytest.fixture(scope="session", autouse=True)
def _can_be_arranged() -> None:
    if os.geteuid() != 0:
        pytest.skip("the settings are arranged by root")
    if not places.kernel_python():
        pytest.skip("there is no environment for kernels")


STRICT = "container-root"
"""The setting whose gateway is started under a umask that closes all it makes to everybody else."""


@pytest.fixture(scope="module", params=LEVELS)
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, Gateway]]:
    """The setting's name and the gateway in it."""
    before = os.umask(0o077 if request.param == STRICT else 0o022)
    try:
        with places.serving(request.param) as gateway:
            os.umask(before)
            yield request.param, gateway
    finally:
        os.umask(before)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that other users can reach; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory(prefix="omega-test-") as made:
        Path(made).chmod(0o711)
        yield Path(made)

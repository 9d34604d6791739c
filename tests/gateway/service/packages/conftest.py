"""The interpreter whose pip is tried."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pip
import pytest

from tests.live import HANG_S


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with pip and nothing else: this environment's own pip, as to install one takes seconds."""
    venv = tmp_path_factory.mktemp("pip") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=HANG_S)
    (packages,) = venv.glob("lib/python*/site-packages")
    ours = Path(pip.__file__).parent
    for place in (ours, *ours.parent.glob("pip-*.dist-info")):
        (packages / place.name).symlink_to(place)
    return venv / "bin" / "python"

"""Places with guests in settings that allow less: they work at every level, or are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.levels import setting
from tests.promises.world import kernel_python_path
from tests.source import ROOT

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]
WORKS = {"found": "left\n", "guest": "9"}
REFUSED = {"refused": "the spawner refused a command at namespaces: EPERM"}


def told_in(name: str) -> dict[str, str]:
    """What the places of a spawner in this setting tell."""
    env = {**os.environ, "OMEGA_KERNEL_PYTHON": kernel_python_path(), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": "/tmp"}
    command = [sys.executable, setting.__file__, name, sys.executable, "-m", "tests.promises.places", "brief"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, str] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    ("name", "level", "outcome"),
    [("masked", "L2", WORKS), ("container-user", "L1", WORKS), ("five", "L3", REFUSED), ("six", "L3", WORKS)],
)
def test_a_place_works_or_its_guests_are_refused(name: str, level: str, outcome: dict[str, str]) -> None:
    """Where the capability to enter a mount namespace is missing, no guest gets less than all steps.

    With six capabilities the spawner may not look into other processes: it opens a place through one of the kernel's uid.
    """
    assert told_in(name) == {"level": level, **outcome}

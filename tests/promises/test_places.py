"""Commands of a place are behind the same walls as its kernels, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernels.sandbox import sysc
from tests.promises import as_user
from tests.promises.attempt import Environment
from tests.promises.places import LINES
from tests.promises.world import USER, is_other_user, kernel_python_path, why_not

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.sandbox,
    pytest.mark.skipif(sysc.ARCH != "x86_64", reason="the lines call Linux by the numbers of x86_64"),
]
ROOT = Path(__file__).resolve().parents[2]
LEVELS = {"root": "L3", "user": "L2+"}


@pytest.mark.parametrize("environment", ["root", "user"])
def test_a_command_gets_no_further_than_a_kernel(environment: Environment) -> None:
    """Each line as promised, the neighbour's place untouched, and nothing left when the places have ended."""
    if reason := why_not(environment):
        pytest.skip(reason)
    said = json.loads(_attack(environment))
    assert said.pop("level") == LEVELS[environment]
    assert said.pop("neighbour") == "/work\nsecret\n"
    assert said.pop("neighbour's end") == "15"
    assert said.pop("flood") == "9"
    assert said.pop("processes") in ("EAGAIN True\n", "")
    assert said.pop("memory") == "CommandEnd(code=0, signal=9, out_of_memory=True)"
    assert said == {line.id: line.expected for line in LINES}


def _attack(environment: Environment) -> str:
    is_user = is_other_user(environment)
    launcher = [sys.executable, as_user.__file__, str(USER)] if is_user else []
    env = {**os.environ, "OMEGA_KERNEL_PYTHON": kernel_python_path(), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*launcher, sys.executable, "-m", "tests.promises.places"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout

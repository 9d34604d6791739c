"""The JavaScript client by itself, without a gateway: Node's own test runner, on the system's Node and the kernels'."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract import node_env

HERE = Path(__file__).parent
RUN_S = 240.0


@pytest.mark.parametrize("node", [shutil.which("node"), node_env.newest()], ids=["system", "kernels"])
def test_the_module_keeps_its_promises(node: str | None) -> None:
    """Requests, errors, streams, calls of tools and the forms of four APIs; the files beside this one say each."""
    if node is None:
        pytest.skip("no Node")
    files = sorted(path.name for path in HERE.glob("*.test.mjs"))
    command = [node, "--test", *files]
    done = subprocess.run(
        command, cwd=HERE, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

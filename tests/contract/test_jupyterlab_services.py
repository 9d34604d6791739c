"""JupyterLab's own client for Node and browsers, @jupyterlab/services, on kernels of both languages."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.jupyter import V1
from tests.contract import npm_env
from tests.live import Gateway

pytestmark = pytest.mark.kernel
RUN_S = 60.0


@pytest.fixture(scope="module")
def said(gateway: Gateway) -> Iterator[Any]:
    """What it says after a life of a kernel of each language."""
    with npm_env.installed(Path(__file__).with_name("jupyterlab_services")) as place:
        env = {"PATH": os.environ["PATH"], "GATEWAY_PORT": str(gateway.port), "GATEWAY_TOKEN": gateway.token}
        command = ["node", "run.cjs"]
        done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, timeout=RUN_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        yield json.loads(done.stdout.splitlines()[-1])


def test_it_finds_kernels_and_speaks_the_newer_protocol(said: Any) -> None:
    """Both kernelspecs, Python first, and the binary subprotocol on every WebSocket."""
    assert (said["specs"], said["default"]) == (["python3", "javascript"], "python3")
    assert said["protocols"] == [V1]


@pytest.mark.parametrize(
    ("number", "language", "unknown"), [(0, "python", "NameError"), (1, "javascript", "ReferenceError")]
)
def test_a_kernel_lives_a_whole_life(said: Any, number: int, language: str, unknown: str) -> None:
    """Text, display and result; completion; a busy loop is interrupted and the state kept; a restart forgets; it ends."""
    life = said["lives"][number]
    assert life["info"] == language
    assert (life["run"]["status"], life["run"]["text"]) == ("ok", "hello\n")
    assert [name for name in life["run"]["types"] if not name.startswith("text/plain")] == [
        "display_data",
        "text/html",
        "execute_result",
    ]
    assert "answer" in life["complete"]
    assert (life["interrupted"]["text"], life["interrupted"]["error"]) == ("on\n", "KeyboardInterrupt")
    assert (life["kept"]["status"], life["kept"]["text"]) == ("ok", "42\n")
    assert life["forgotten"]["error"] == unknown
    assert life["isListed"]
    assert life["isGone"]

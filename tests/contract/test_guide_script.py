"""The seed guide's own JavaScript: its examples and its integration script, with Node and axios, as they stand there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract import npm_env
from tests.live import Gateway

pytestmark = pytest.mark.kernel
RUN_S = 60.0
RunExample = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A directory with the guide's files and axios."""
    with npm_env.installed(Path(__file__).with_name("guide")) as place:
        yield place


@pytest.fixture
def run(folder: Path, gateway: Gateway) -> RunExample:
    """Runs one file of the guide."""

    def act(name: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.environ["PATH"], "GATEWAY_PORT": str(gateway.port), "SUPABASE_KEY": gateway.token}
        command = ["node", "run.cjs", f"{name}.js"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=RUN_S, check=False)
        assert done.returncode == 0, done.stderr
        return done

    return act


def test_the_integration_script_passes(run: RunExample) -> None:
    """It prints that all is well, and no error: it catches its own."""
    done = run("integration")
    assert done.stdout == "✅ All code interpreter tests passed!\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("calculation", {"success": True, "output": "10! = 3628800\n", "exitCode": 0}),
        ("fibonacci", {"returnValue": [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]}),
        ("sorting", {"returnValue": {"unsorted": [64, 34, 25, 12, 22, 11, 90], "sorted": [11, 12, 22, 25, 34, 64, 90]}}),
        ("regression", {"success": True}),
        ("statistics", {"success": True}),
        ("pandas", {"success": True}),
    ],
)
def test_an_example_gets_what_the_guide_shows(run: RunExample, name: str, fields: dict[str, Any]) -> None:
    """Sent from Node by axios."""
    data = json.loads(run(name).stdout)
    assert {field: data[field] for field in fields} == fields


@pytest.mark.parametrize("name", ["chart", "revenue"])
def test_a_chart_is_a_picture(run: RunExample, name: str) -> None:
    """Ready for a data URI."""
    data = json.loads(run(name).stdout)
    assert data["chart"]["mimeType"] == "image/png"
    assert data["chart"]["base64"].startswith("iVBORw0KGgo")

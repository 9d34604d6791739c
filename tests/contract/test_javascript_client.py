"""The JavaScript client on a real gateway, with the SDKs that it is used beside; and clients of MCP from npm."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract import node_env, npm_env
from tests.live import HANG_S, Gateway
from tests.source import ROOT

pytestmark = pytest.mark.kernel
HERE = Path(__file__).with_name("agents_js")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with the client and other people's packages, as their users have it."""

    place: Path
    node: str

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        """Have Node run a program that succeeds."""
        # Node looks for packages where a program is, not where its link leads to.
        command = [self.node, "--preserve-symlinks", *arguments]
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.place), **(env or {})}
        done = subprocess.run(
            command, cwd=self.place, env=environ, capture_output=True, text=True, timeout=HANG_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder() -> Iterator[Folder]:
    """One for all tests: npm takes seconds. Node is that of the kernels: an older one would get old packages."""
    node = node_env.newest()
    if node is None:
        pytest.skip("no Node in .venv-kernels")
    with npm_env.installed(HERE) as place:
        (place / "node_modules" / "omega-client").symlink_to(ROOT / "clients" / "js")
        yield Folder(place, node)


@pytest.fixture(scope="module")
def models() -> Iterator[str]:
    """The address of scripted models."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.contract.models"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


@pytest.mark.parametrize("tests", ["gateway", "models", "guide", "ai", "mcp"])
def test_a_program_in_node_works(folder: Folder, gateway: Gateway, models: str, tests: str) -> None:
    """Runs, the loop of four APIs, the guide's own programs, the AI SDK and MCP: each file says what it tries."""
    where = {"OMEGA_URL": gateway.url, "OMEGA_TOKEN": gateway.token, "MODELS_URL": models}
    folder.run("--test", f"{tests}.test.mjs", env=where)


def test_the_types_fit(folder: Folder) -> None:
    """A program in TypeScript compiles, and what it must not write is refused."""
    options = ("--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--types", "")
    folder.run("node_modules/typescript/bin/tsc", *options, "usage.mts")

"""The JavaScript client on a real gateway, with the SDKs that it is used beside; and clients of MCP from npm."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract import clients_env, node_env, npm_env
from tests.contract.models.process import Models
from tests.live import HANG_S, Gateway, serving
from tests.source import ROOT

pytestmark = pytest.mark.kernel
HERE = Path(__file__).with_name("agents_js")
CLIENT = ROOT / "clients" / "js"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with the client and other people's packages, as their users have it."""

    place: Path
    node: str

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """What a program prints that Node runs, and that succeeds."""
        # Node looks for packages where a program is, not where its link leads to.
        command = [self.node, "--preserve-symlinks", *arguments]
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.place), **(env or {})}
        done = subprocess.run(
            command, cwd=self.place, env=environ, capture_output=True, text=True, timeout=HANG_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def folder() -> Iterator[Folder]:
    """One for all tests: npm takes seconds. Node is that of the kernels: an older one would get old packages."""
    node = node_env.newest()
    if node is None:
        pytest.skip("no Node in .venv-kernels")
    with npm_env.installed(HERE) as place:
        (place / "node_modules" / "omega-client").symlink_to(CLIENT)
        yield Folder(place, node)


@pytest.mark.parametrize("tests", ["gateway", "models", "guide", "host_tools", "ai", "mcp"])
def test_a_program_in_node_works(folder: Folder, gateway: Gateway, models: Models, tests: str) -> None:
    """Runs, the loop of four APIs, the guide's own programs, the AI SDK and MCP: each file says what it tries."""
    where = {"OMEGA_URL": gateway.url, "OMEGA_TOKEN": gateway.token, "MODELS_URL": models.url}
    folder.run("--test", f"{tests}.test.mjs", env=where)


def test_its_readme_is_right(folder: Folder, gateway: Gateway, models: Models) -> None:
    """Each program in it runs as it stands."""
    programs = re.findall(r"^```js\n(.*?)^```$", (CLIENT / "README.md").read_text(), re.M | re.S)
    model = models.script({"text": "16."}).base
    where = {"OMEGA_URL": gateway.url, "OMEGA_TOKEN": gateway.token}
    said = ""
    for number, program in enumerate(programs):
        (folder.place / f"readme{number}.mjs").write_text(program)
        said += folder.run(f"readme{number}.mjs", env={**where, "ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": model})
    assert said == "42\n [ 1, 2 ] data:image/png\n12\n[ 'sales 2,2' ]\n16.\n12\n"


def test_the_types_fit(folder: Folder) -> None:
    """A program in TypeScript compiles, and what it must not write is refused."""
    options = ("--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--types", "")
    folder.run("node_modules/typescript/bin/tsc", *options, "usage.mts")


@pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="no browser: Debian's packages chromium and chromium-driver bring it",
)
def test_a_page_of_an_allowed_origin_works(clients: None) -> None:
    """In a browser: runs, streams, sessions, files, charts and tools, and errors with their types."""
    port = free_port()
    with serving("--allowed-origins", f"http://127.0.0.1:{port}") as gateway:
        where = {"GATEWAY_URL": gateway.url, "GATEWAY_TOKEN": gateway.token}
        found = clients_env.run_script("browser_page", str(CLIENT), str(port), env=where, timeout_s=HANG_S)
    assert found == {
        "output": "42\n",
        "javascript": [1],
        "events": ["accepted", "started", "stdout"],
        "variables": ["data"],
        "bytes": [0, 255],
        "picture": True,
        "tools": 1,
        "wrong": ["BadRequest", 400, "bad_request"],
        "refused": "Unauthorized",
    }


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])

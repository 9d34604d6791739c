"""Every block of README and docs, executed as it stands: those of a page in order, in one shell, on a real gateway."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.state import instance_name
from tests import traces
from tests.conftest import assert_nothing_left
from tests.contract import clients_env
from tests.contract.models import process as process_of_models
from tests.contract.models.process import Scripted
from tests.live import Gateway, start, stop, wait_ready
from tests.pages import GUIDES, ROOT, TUTORIALS, Block, Step, as_pattern, blocks, steps

pytestmark = pytest.mark.kernel
TIMEOUT_S = 240
OUTPUT_FOLDER = "var"
"""Where the pages put files: git and ruff ignore it."""
NEEDS_CLIENTS = {"docs/jupyter.md"}
"""Pages with other people's programs, which are in `.venv-clients`."""
SHOWN_ADDRESS, SHOWN_HOME = "127.0.0.1:8080", "/home/ada"
PROGRAMS = {"python": "python -", "js": "node -"}
_MARK = "\x1e"
SALES = [{"month": "Jan", "sales": 1200}, {"month": "Feb", "sales": 1500}]
CONVERSATION: list[dict[str, Any]] = [
    {
        "calls": [
            {"name": "code_analyze_data", "arguments": {"data": SALES, "analysisType": "stats"}},
            {"name": "code_generate_chart", "arguments": {"code": "plt.bar(['Jan', 'Feb'], [1200, 1500])"}},
        ]
    },
    {"text": "Sales rose by a quarter from January to February; the chart shows both months."},
]
"""What the model says on the pages: who reads them has one that says it in other words."""


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone as its user has it: a *folder* with the project's files, a *home* with the token, and a gateway."""

    folder: Path
    home: Path
    gateway: Gateway
    model: Scripted

    def here(self, text: str) -> str:
        """*text* of a page with this gateway's address and this home."""
        return text.replace(SHOWN_ADDRESS, f"127.0.0.1:{self.gateway.port}").replace(SHOWN_HOME, str(self.home))

    def run(self, script: str) -> str:
        """What bash prints of *script* in the clone, on both streams; after a time it is ended with all it has started."""
        return subprocess.run(
            ["timeout", "--kill-after=5", str(TIMEOUT_S), "bash", "-c", self.here(script)],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        ).stdout

    def _environment(self) -> dict[str, str]:
        node = next((ROOT / ".venv-kernels").glob("lib/python*/site-packages/nodejs*/bin"))
        programs = (clients_env.PYTHON.parent, ROOT / ".venv/bin", node)
        path = os.pathsep.join(map(str, programs)) + os.pathsep + os.environ["PATH"]
        modules = os.pathsep.join([str(ROOT), str(ROOT / "clients/python")])
        told = {"PYTHONPATH": modules, "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}
        model = {"ANTHROPIC_BASE_URL": self.model.base, "ANTHROPIC_API_KEY": "key"}
        return {"PATH": path, "HOME": str(self.home), **told, **model}


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    """With a gateway that was started for the first time, so that its token is where the README says."""
    traces.adopt_orphans()
    before = traces.take()
    with tempfile.TemporaryDirectory(prefix="omega-test-") as path:
        folder, home = Path(path, "clone"), Path(path, "home")
        state = home / ".local/state/omega"
        folder.mkdir()
        for entry in ROOT.iterdir():
            if entry.name != OUTPUT_FOLDER:
                (folder / entry.name).symlink_to(entry)
        process, gateway = start(Path(path), "--state-dir", str(state), env={"OMEGA_TOKEN": None})
        try:
            wait_ready(gateway, process)
            token = (state / "token").read_text().strip()
            with process_of_models.running() as models:
                model = models.script(*CONVERSATION, restarts=True)
                yield Clone(folder, home, replace(gateway, state_dir=state, token=token), model)
        finally:
            stop(process)
        assert_nothing_left(before, instance_name(state))


def typed(block: Block, step: Step) -> str:
    """What to give a shell for *step*: a program goes to its interpreter."""
    if block.language == "console":
        return step.command
    return f"{PROGRAMS[block.language]} <<'END_OF_PROGRAM'\n{step.command}\nEND_OF_PROGRAM"


def git_status() -> str:
    """What git sees as changed or new in the project."""
    return subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("page", [*GUIDES, *TUTORIALS])
def test_a_page_does_what_it_shows(clone: Clone, page: str) -> None:
    """Every command succeeds and prints what is shown below it; files appear in one folder only, that git ignores."""
    if page in NEEDS_CLIENTS and not clients_env.PYTHON.exists():
        pytest.skip("no .venv-clients: 'make install-clients' makes it")
    before, entries = git_status(), set(clone.folder.iterdir())
    pairs = [(block, step) for block in blocks(page) if block.language in {"console", *PROGRAMS} for step in steps(block)]
    said = clone.run("".join(f"{typed(*pair)}\nprintf '{_MARK}%d{_MARK}' $?\n" for pair in pairs))
    outputs = re.split(f"{_MARK}(\\d+){_MARK}", said)
    assert len(outputs) == 2 * len(pairs) + 1, said
    for (_, step), output, status in zip(pairs, outputs[::2], outputs[1::2], strict=False):
        assert status == "0", f"{step.command}\nended with {status}:\n{output}"
        if step.shown:
            expected = as_pattern(clone.here(step.shown))
            assert expected.fullmatch(output.strip()), f"{step.command}\nprinted:\n{output}\nnot:\n{step.shown}"
    assert set(clone.folder.iterdir()) - entries <= {clone.folder / OUTPUT_FOLDER}
    assert git_status() == before

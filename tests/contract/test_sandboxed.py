"""Our kernels in a plain Jupyter, without a gateway: `omega kernelspec install`, and jupyter_client starts them."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import traces
from tests.contract import clients_env
from tests.promises import as_user
from tests.stock import kernel_python

pytestmark = pytest.mark.kernel
SETTLE_S = 15.0
LIFE = str(clients_env.SCRIPTS / "sandboxed_life.py")
ORDINARY = 65_500
"""A user id that nobody has."""


@dataclass(frozen=True, slots=True)
class Jupyter:
    """A Jupyter that has our kernelspecs, and the directories it may write to."""

    env: dict[str, str]
    folder: Path
    before: traces.Traces

    @property
    def temp(self) -> Path:
        """Its TMPDIR."""
        return self.folder / "tmp"

    def install(self, *options: str) -> None:
        """Add our kernelspecs by `omega kernelspec`."""
        prefix = str(self.folder / "prefix")
        said = clients_env.run_python("-m", "gateway", "kernelspec", "install", "--prefix", prefix, *options)
        assert said.returncode == 0, said.stderr

    def run(self, script: str, *arguments: str) -> Any:
        """What `clients/SCRIPT.py` says."""
        return clients_env.run_script(script, *arguments, env=self.env)

    def left(self, instance: str) -> list[str]:
        """What is there that was not there before it started kernels: processes, cgroups, mounts, sockets, files."""
        files = map(str, self.temp.glob("omega-*-*-*"))  # others there are jupyter_client's
        return [*traces.take(instance).beyond(self.before), *files]


@pytest.fixture
def jupyter(clients: None) -> Iterator[Jupyter]:
    """With `omega-python` and `omega-javascript` in an environment of their own."""
    if kernel_python() is None:
        pytest.skip("OMEGA_KERNEL_PYTHON names no interpreter with ipykernel")
    traces.adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="omega-test-", dir="/tmp") as folder:
        Path(folder, "tmp").mkdir()
        env = {
            "JUPYTER_PATH": f"{folder}/prefix/share/jupyter",
            "JUPYTER_RUNTIME_DIR": f"{folder}/run",
            "TMPDIR": f"{folder}/tmp",
        }
        made = Jupyter(env, Path(folder), traces.take())
        made.install()
        yield made


def as_ordinary_user(jupyter: Jupyter) -> list[str]:
    """What to put before a command so that no privilege is left to it; *jupyter* is that user's from here on."""
    if os.geteuid() != 0:
        return []
    for place in (jupyter.folder, jupyter.temp):
        os.chown(place, ORDINARY, ORDINARY)
    return [as_user.__file__, str(ORDINARY), str(clients_env.PYTHON)]


def instance(seen: dict[str, Any]) -> str:
    """The name in the path of the sockets: /tmp/omega-UID-INSTANCE/seat0."""
    return Path(seen["directory"]).parent.name.rpartition("-")[2]


def assert_nothing_left(jupyter: Jupyter, name: str) -> None:
    """Linux takes down namespaces in its own time."""
    deadline = time.monotonic() + SETTLE_S
    while left := jupyter.left(name):
        assert time.monotonic() < deadline, "left behind:\n" + "\n".join(left)
        traces.reap_adopted()
        time.sleep(0.05)  # nothing tells when the kernel is done with it


def test_a_kernel_lives_as_jupyter_wants_it_and_leaves_nothing(jupyter: Jupyter) -> None:
    """Interrupted, restarted on the same sockets, its death noticed by heartbeat and poll, ended."""
    seen = jupyter.run("sandboxed_life", "omega-python")
    assert seen["transport"] == "ipc"
    assert seen["env"] == ["None yes", "ok"]
    assert seen["interrupted"] == ["looping", "KeyboardInterrupt"]
    assert seen["kept"] == ["1", "ok"]
    assert (seen["restarted"], seen["same_sockets"]) == (["False", "ok"], True)
    assert (seen["missed_beat_alive"], seen["alive"]) == (False, True)
    assert (seen["missed_beat_dead"], seen["alive_after_exit"]) == (True, False)
    assert seen["after_death"] == ["again", "ok"]
    assert (seen["alive_after_shutdown"], seen["left"]) == (False, False)
    assert_nothing_left(jupyter, instance(seen))


@pytest.mark.parametrize("is_ordinary", [False, True], ids=["as we are", "as an ordinary user"])
def test_nothing_is_left_of_a_client_that_was_killed(jupyter: Jupyter, is_ordinary: bool) -> None:
    """No kernel, cgroup, mount, socket or directory: the spawner sees to it."""
    prefix = as_ordinary_user(jupyter) if is_ordinary else []
    said = clients_env.run_python(*prefix, LIFE, "omega-python", "--be-killed", env=jupyter.env)
    assert said.returncode == -9, said.stderr
    seen = json.loads(said.stdout.splitlines()[-1])
    assert seen["kept"] == ["1", "ok"]
    assert_nothing_left(jupyter, instance(seen))


def test_less_isolation_than_the_kernelspec_wants_is_refused(jupyter: Jupyter) -> None:
    """An ordinary user can't reach level 3, and says so."""
    jupyter.install("--require-isolation", "L3")
    said = clients_env.run_python(*as_ordinary_user(jupyter), LIFE, "omega-python", env=jupyter.env)
    assert said.returncode == 1
    assert re.search(
        r"LowIsolation: this machine reaches isolation level L(1|2|2\+), but L3 is required$", said.stderr.strip()
    )
    assert not list(jupyter.temp.glob("omega-*-*-*"))


def test_the_python_kernel_passes_jupyter_kernel_test(jupyter: Jupyter) -> None:
    """All twelve of its tests, none left out."""
    assert jupyter.run("kernel_test", "omega-python") == {"ran": 12, "bad": [], "skipped": []}


def test_the_javascript_kernel_passes_jupyter_kernel_test(jupyter: Jupyter) -> None:
    """All but those of what it does not have: a history, a pager, and output that can be cleared."""
    skipped = ["test_clear_output", "test_history", "test_pager"]
    assert jupyter.run("kernel_test", "omega-javascript") == {"ran": 12, "bad": [], "skipped": skipped}


def test_nbclient_executes_a_notebook(jupyter: Jupyter) -> None:
    """With a table, a chart and text among its outputs."""
    nothing, table, chart, text = jupyter.run("nbclient_local", "omega-python")
    assert nothing == []
    assert table == [["execute_result", ["text/html", "text/plain"], ""]]
    assert chart == [["display_data", ["image/png", "text/plain"], ""]]
    assert text == [["stream", [], "6\n"]]

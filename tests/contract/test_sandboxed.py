"""Our kernels in a plain Jupyter, without a gateway: `omega kernelspec install`, and jupyter_client starts them."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import traces
from tests.contract import clients_env
from tests.stock import kernel_python

pytestmark = pytest.mark.kernel
SETTLE_S = 15.0


@dataclass(frozen=True, slots=True)
class Jupyter:
    """A Jupyter that has our kernelspecs, and the directories it may write to."""

    env: dict[str, str]
    temp: Path
    before: traces.Traces

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
        prefix, temp = Path(folder, "prefix"), Path(folder, "tmp")
        temp.mkdir()
        said = clients_env.run_python("-m", "gateway", "kernelspec", "install", "--prefix", str(prefix))
        assert said.returncode == 0, said.stderr
        env = {"JUPYTER_PATH": str(prefix / "share/jupyter"), "JUPYTER_RUNTIME_DIR": f"{folder}/run", "TMPDIR": str(temp)}
        yield Jupyter(env, temp, traces.take())


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


def test_nothing_is_left_of_a_client_that_was_killed(jupyter: Jupyter) -> None:
    """No kernel, cgroup, mount, socket or directory: the spawner sees to it."""
    said = clients_env.run_python(
        str(clients_env.SCRIPTS / "sandboxed_life.py"), "omega-python", "--be-killed", env=jupyter.env
    )
    assert said.returncode == -9, said.stderr
    seen = json.loads(said.stdout.splitlines()[-1])
    assert seen["kept"] == ["1", "ok"]
    assert_nothing_left(jupyter, instance(seen))


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

"""What a plain Jupyter is told when it can't have a sandboxed kernel; with kernels: tests/contract/test_sandboxed.py."""

from __future__ import annotations

import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec

from gateway.core.errors import Unavailable
from gateway.kernel.in_jupyter import kernelspecs
from gateway.kernel.in_jupyter.instance_lock import claim
from gateway.kernel.in_jupyter.provisioner import SandboxProvisioner, asked_environment


def provisioner(language: str = "python", **config: Any) -> SandboxProvisioner:
    """One as jupyter_client makes it from a kernelspec."""
    spec = KernelSpec(argv=["/bin/false"], language=language, display_name="x")
    return SandboxProvisioner(kernel_spec=spec, kernel_id="k", **{"kernel_python": sys.executable, **config})


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (provisioner("cobol"), "no sandboxed kernels for 'cobol': use one of python, javascript"),
        (provisioner(kernel_python="/nonexistent/python"), "'/nonexistent/python', which can't be executed"),
        (provisioner(require_isolation="L9"), "unknown isolation level 'L9'"),
        (
            provisioner(limits={"memory_mb": 1}),
            r"limits\.memory_mb is 1: use a whole number from 64 to 1048576, in the kernelspec",
        ),
        (provisioner(limits={"work_mb": 4096}), "kernelspec's limits contradict each other: .* must be below memory_mb"),
        (provisioner(limits={"token": "x"}), "unknown limit 'token': use memory_mb"),
    ],
)
async def test_an_unusable_kernelspec_is_refused_with_a_reason(made: SandboxProvisioner, said: str) -> None:
    """Nothing is started."""
    with pytest.raises(ValueError, match=said):
        await made.launch_kernel([])
    assert not made.has_process


async def test_what_a_sandboxed_kernel_can_not_do_is_said() -> None:
    """It takes no other signals, and nobody can adopt it."""
    made = provisioner()
    with pytest.raises(ValueError, match="accepts no SIGUSR1: interrupt it or kill it"):
        await made.send_signal(signal.SIGUSR1)
    with pytest.raises(RuntimeError, match="no other process can take it over"):
        await made.load_provisioner_info(await made.get_provisioner_info())


async def test_before_its_start_and_after_its_end_everything_may_be_asked() -> None:
    """Jupyter's managers do, in any order."""
    made = provisioner()
    assert (await made.poll(), await made.wait()) == (0, 0)
    await made.send_signal(signal.SIGINT)
    await made.kill()
    await made.terminate()
    await made.cleanup()


def test_a_jupyters_own_environment_stays_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the caller or the kernelspec adds goes in, but for what is Jupyter's or the interpreter's."""
    monkeypatch.setenv("SECRET", "hush")
    monkeypatch.setenv("FROM_SPEC", "same")
    env = {"SECRET": "hush", "FROM_SPEC": "same", "ADDED": "1", "JPY_SESSION_NAME": "/home/me/x.ipynb", "PYTHONPATH": "/x"}
    assert asked_environment(env, {"FROM_SPEC": "same"}) == {"FROM_SPEC": "same", "ADDED": "1"}
    assert asked_environment({"SECRET": "another"}, {}) == {"SECRET": "another"}


def test_a_place_is_taken_by_one_at_a_time_and_found_again(tmp_path: Path) -> None:
    """So whoever comes next sweeps what the last one left."""
    first, second = claim(tmp_path / "omega"), claim(tmp_path / "omega")
    assert first.instance != second.instance
    first.release()
    again = claim(tmp_path / "omega")
    assert again.instance == first.instance
    again.release()
    second.release()
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="can't be used for locks"):
        claim(tmp_path / "file")


def test_the_package_tells_jupyter_where_the_provisioner_is() -> None:
    """Under the name that the kernelspecs use."""
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    (entry,) = project["entry-points"]["jupyter_client.kernel_provisioners"].items()
    assert entry == (kernelspecs.PROVISIONER, f"{SandboxProvisioner.__module__}:{SandboxProvisioner.__qualname__}")

"""`omega kernelspec`: what it writes is what Jupyter reads, and it touches nothing of others."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

from gateway.cli import run
from tests.live import HANG_S

OURS = ("omega-javascript", "omega-python")


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of kernelspecs of the environment at *tmp_path*, which is this user's as well."""
    for name in list(os.environ):
        if name.startswith("OMEGA_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "share/jupyter"))
    monkeypatch.setenv("OMEGA_KERNEL_PYTHON", sys.executable)
    return tmp_path / "share/jupyter/kernels"


def test_jupyter_finds_what_is_installed(kernels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a title, logos, the provisioner, the Python, the level and the limits asked for."""
    options = ["--user", "--require-isolation", "L2", "--memory-mb", "2048", "--cpu-cores", "2"]
    assert run(["kernelspec", "install", *options]) == 0
    assert capsys.readouterr().out.startswith("omega-python: Python (sandboxed), in ")
    manager = KernelSpecManager(kernel_dirs=[str(kernels)])
    assert sorted(manager.find_kernel_specs()) == list(OURS)
    python, javascript = manager.get_kernel_spec("omega-python"), manager.get_kernel_spec("omega-javascript")
    assert (python.display_name, python.language) == ("Python (sandboxed)", "python")
    assert (javascript.display_name, javascript.language) == ("JavaScript (sandboxed)", "javascript")
    provisioner = python.metadata["kernel_provisioner"]
    assert provisioner["provisioner_name"] == "omega"
    assert provisioner["config"]["kernel_python"] == sys.executable
    assert provisioner["config"]["require_isolation"] == "L2"
    limits = provisioner["config"]["limits"]
    assert (limits["memory_mb"], limits["cpu_cores"], limits["work_mb"]) == (2048, 2, 128)
    for folder in (python.resource_dir, javascript.resource_dir):
        assert Path(folder, "logo-64x64.png").read_bytes().startswith(b"\x89PNG\r\n")
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o755
    assert sorted(path.name for path in kernels.iterdir()) == list(OURS)  # no drafts


def test_the_command_in_the_kernelspec_only_explains(kernels: Path) -> None:
    """A program that knows no provisioners would run it."""
    assert run(["kernelspec", "install"]) == 0
    argv = json.loads((kernels / "omega-python/kernel.json").read_text())["argv"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=HANG_S)
    assert (said.returncode, said.stdout) == (1, "")
    assert "omega-gateway" in said.stderr


def test_installing_again_replaces_and_removing_takes_away(
    kernels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under another name, and in another place."""
    place = ["--prefix", str(tmp_path), "--name", "box"]
    assert run(["kernelspec", "install", *place]) == 0
    assert run(["kernelspec", "install", *place, "--memory-mb", "1024"]) == 0
    config = json.loads((kernels / "box-python/kernel.json").read_text())["metadata"]["kernel_provisioner"]["config"]
    assert config["limits"]["memory_mb"] == 1024
    capsys.readouterr()
    assert run(["kernelspec", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"box-javascript  JavaScript (sandboxed)  {kernels}/box-javascript",
        f"box-python      Python (sandboxed)      {kernels}/box-python",
    ]
    assert run(["kernelspec", "remove", *place]) == 0
    assert list(kernels.iterdir()) == []
    assert run(["kernelspec", "list"]) == 0
    assert "omega" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["install", "--name", "../x"], "--name is '../x': use lower case letters"),
        (["install", "--name", "theirs"], "exists and was not installed by omega: remove it, or choose another --name"),
        (["install", "--memory-mb", "9"], "--memory-mb is '9': use a whole number from 64"),
        (["install", "--python", "/nonexistent"], "kernel_python is /nonexistent: no Python to run kernels in"),
        (["remove"], "omega has installed no kernelspecs omega-python and omega-javascript in"),
        (["remove", "--name", "theirs"], "omega has installed no kernelspecs theirs-python and theirs-javascript in"),
    ],
)
def test_what_can_not_be_done_changes_nothing(
    kernels: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """One sentence, and the kernelspecs of others stay."""
    theirs = kernels / "theirs-python"
    theirs.mkdir(parents=True)
    (theirs / "kernel.json").write_text('{"argv": ["x"], "display_name": "X", "language": "python"}')
    assert run(["kernelspec", *arguments]) in (1, 2)
    assert said in capsys.readouterr().err
    assert [path.name for path in kernels.iterdir()] == ["theirs-python"]
    assert [path.name for path in theirs.iterdir()] == ["kernel.json"]

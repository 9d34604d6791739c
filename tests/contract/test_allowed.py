"""Kernelspecs that the operator allows, through the Jupyter API of a gateway of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract import clients_env
from tests.live import serving
from tests.stock import kernel_python, write_spec

pytestmark = pytest.mark.kernel


def test_an_allowed_kernelspec_can_be_used_and_is_told_apart(clients: None, tmp_path: Path) -> None:
    """It is started, runs, restarts and ends as the sandboxed ones do; its title and /health say that it is none of them."""
    python = kernel_python()
    if python is None:
        pytest.skip("OMEGA_KERNEL_PYTHON names no interpreter with ipykernel")
    write_spec(tmp_path, "plain", [python, "-m", "ipykernel", "-f", "{connection_file}"], display_name="Plain")
    with serving("--allowed-kernelspecs", "plain,plain", env={"JUPYTER_PATH": str(tmp_path)}) as gateway:
        where = {"GATEWAY_URL": gateway.url, "GATEWAY_TOKEN": gateway.token}
        code = "import os; print(os.path.exists('/etc/passwd'), os.environ.get('OMEGA_TOKEN'))"
        seen = clients_env.run_script("run_on_spec", "plain", code, env=where)
        assert seen == {
            "title": "Plain (not sandboxed)",
            "status": 201,
            "ran": "True None\n",
            "restarted": 200,
            "ran_again": "True None\n",
            "deleted": 204,
        }
        assert gateway.ask("GET", "/code-interpreter/health").body["notSandboxed"] == ["plain"]

"""Kernelspecs that the operator allows, through the Jupyter API."""

from __future__ import annotations

import pytest

from tests.contract import clients_env
from tests.live import Gateway
from tests.stock import kernel_python

pytestmark = pytest.mark.kernel


def test_an_allowed_kernelspec_can_be_used_and_is_told_apart(clients: None, allowing: Gateway) -> None:
    """It is started, runs, restarts and ends as the sandboxed ones do; its title and /health say that it is none of them."""
    if kernel_python() is None:
        pytest.skip("OMEGA_KERNEL_PYTHON names no interpreter with ipykernel")
    where = {"GATEWAY_URL": allowing.url, "GATEWAY_TOKEN": allowing.token}
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
    assert allowing.ask("GET", "/code-interpreter/health").body["notSandboxed"] == ["plain"]

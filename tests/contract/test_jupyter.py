"""Clients of Jupyter's API that nobody here wrote, unmodified, against the gateway of the session."""

from __future__ import annotations

import pytest

from tests.contract.conftest import RunClient

pytestmark = pytest.mark.kernel

PNG = b"\x89PNG".hex()


def test_jupyter_kernel_client_works(run_client: RunClient) -> None:
    """Outputs of every kind, errors by name, a restart that forgets."""
    said = run_client("jupyter_kernel_client_run")
    assert said["status"] == ["ok", "error", "error"]
    assert said["types"] == ["display_data", "execute_result", "stream"]
    assert said["errors"] == ["ZeroDivisionError", "NameError"]


def test_smolagents_works(run_client: RunClient) -> None:
    """State lives on from WebSocket to WebSocket, and an error is one."""
    said = run_client("smolagents_run")
    assert said["output"] == ["2", "41"]
    assert said["logs"] == "hello\n"
    assert "ZeroDivisionError" in said["error"]


def test_autogen_works(run_client: RunClient) -> None:
    """Text, a PNG on its disk, exit codes, a restart."""
    said = run_client("autogen_run")
    assert said["codes"] == [0, 0, 1, 1]
    assert said["text"] == "hello\n"
    assert said["pictures"] == [PNG]
    assert said["errors"] == [True, True]


def test_nbclient_and_papermill_work_through_the_gateway_manager(run_client: RunClient) -> None:
    """Cells in order with all their outputs; a kernel that dies is an error with a name, not a hang."""
    said = run_client("nbclient_run")
    assert said["types"] == [[], ["stream"], ["display_data"], ["display_data"], ["execute_result"]]
    assert said["printed"] == "0\n1\n2\n"
    assert said["png"]
    assert said["updated"] == "'y'"
    assert said["death"] == "KernelDied"
    assert said["papermill"] == "42\n"


def test_jupyter_kernel_test_passes_over_the_websocket(run_client: RunClient) -> None:
    """Jupyter's own suite for kernels, every part that a kernel without history can have."""
    assert run_client("kernel_test_ws") == {"ran": 12, "bad": [], "skipped": ["test_history"]}

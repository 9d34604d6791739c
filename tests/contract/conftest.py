"""Clients that nobody here wrote, run against the gateway of the whole session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract import clients_env
from tests.live import Gateway, serving
from tests.stock import kernel_python, write_spec

RunClient = Callable[..., Any]


@pytest.fixture(scope="session")
def clients() -> None:
    """The environment of the clients is there."""
    if not clients_env.PYTHON.exists():
        pytest.skip("no .venv-clients: 'make install-clients' makes it")


@pytest.fixture(scope="session")
def agents() -> None:
    """The environment of the agents is there."""
    if not clients_env.AGENTS_PYTHON.exists():
        pytest.skip("no .venv-agents: 'make install-clients' makes it")


@pytest.fixture(scope="session")
def allowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose operator allows more than usual: variables of kernels and, where there is one, an ordinary kernel."""
    options, env = ["--jupyter-env-names", "TEST_VAR"], {}
    if python := kernel_python():
        folder = tmp_path_factory.mktemp("jupyter")
        write_spec(folder, "plain", [python, "-m", "ipykernel", "-f", "{connection_file}"], display_name="Plain")
        options, env = [*options, "--allowed-kernelspecs", "plain,plain"], {"JUPYTER_PATH": str(folder)}
    with serving(*options, env=env) as running:
        yield running


@pytest.fixture
def run_client(clients: None, gateway: Gateway) -> RunClient:
    """A function: `run_client("nbclient_run", *arguments)` answers with what `clients/nbclient_run.py` said as JSON.

    The script finds the gateway in GATEWAY_URL (without a slash at the end), GATEWAY_TOKEN, GATEWAY_HOST and GATEWAY_PORT.
    """
    return runner(gateway, clients_env.PYTHON)


@pytest.fixture
def run_agent(agents: None, gateway: Gateway) -> RunClient:
    """The same with the programs that run in `.venv-agents`."""
    return runner(gateway, clients_env.AGENTS_PYTHON)


def runner(gateway: Gateway, python: Path) -> RunClient:
    """Runs programs of *python* that are told where *gateway* is."""
    where = {
        "GATEWAY_URL": gateway.url,
        "GATEWAY_TOKEN": gateway.token,
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(gateway.port),
    }

    def run(name: str, *arguments: str, timeout_s: float = clients_env.TIMEOUT_S) -> Any:
        return clients_env.run_script(name, *arguments, env=where, timeout_s=timeout_s, python=python)

    return run

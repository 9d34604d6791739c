"""The way the other tests here take: a script in the environment of the clients reaches the gateway and is heard."""

from __future__ import annotations

import pytest

from tests.contract import clients_env
from tests.contract.conftest import RunClient

pytestmark = pytest.mark.kernel


def test_a_script_of_another_environment_reaches_the_gateway(run_client: RunClient) -> None:
    """Its last line comes back as a value."""
    assert run_client("health")["status"] == 200


def test_a_script_that_fails_is_a_failure_with_its_own_words(clients: None) -> None:
    """Nothing is taken for a pass that did not run to its end."""
    said = clients_env.run_python("-c", "import requests; print('{}'); raise SystemExit('no such thing')")
    assert (said.returncode, said.stderr) == (1, "no such thing\n")
    with pytest.raises(AssertionError, match="hung"):
        clients_env.run_python("-c", "import time; time.sleep(60)", timeout_s=0.5)

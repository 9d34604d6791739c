"""The API description is true: schemathesis sends what it allows and what it does not, to a real gateway, and compares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.web.routes import ROUTES
from tests.contract import clients_env
from tests.live import serving

pytestmark = pytest.mark.kernel

CONFIG = Path(__file__).with_name("schemathesis.toml")
TIMEOUT_S = 600.0
REACHED = {
    *("GET /code-interpreter/history", "GET /code-interpreter/sessions", "POST /code-interpreter/sessions"),
    *("POST /code-interpreter/python", "POST /code-interpreter/javascript", "POST /code-interpreter/chart"),
    *("POST /code-interpreter/analyze", "POST /code-interpreter/math", "POST /code-interpreter/notebook"),
    *("GET /code-interpreter/sandboxes", "POST /code-interpreter/sandboxes"),
    *("GET /api/kernels", "GET /api/sessions", "POST /api/sessions", "GET /metrics"),
}
"""What needs nothing that has to be there first, so that some of what is sent has to succeed."""


def test_every_answer_is_as_described(clients: None, tmp_path: Path) -> None:
    """Statuses, content types and schemas; what is valid is not refused, what is not is; 503 is the one server error.

    Has a gateway of its own: the sessions and kernels that come of it stay.
    """
    with serving("--sessions-per-key", "64", "--max-kernels", "64", "--pool-memory-mb", "16384") as gateway:
        said = clients_env.run_python(
            *("-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", f"{gateway.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {gateway.token}", "--continue-on-failure", "--no-color"),
            *("--report", "json,har", "--report-json-path", str(tmp_path / "report.json")),
            *("--report-har-path", str(tmp_path / "all.har")),
            env={"SCHEMATHESIS_HOOKS": "tests.contract.clients.schemathesis_hooks"},
            timeout_s=TIMEOUT_S,
        )
        log = gateway.log.read_text()
    assert said.returncode == 0, said.stdout[-12_000:] + said.stderr[-2000:]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["complete"]
    described = sum(len(route.operations) for route in ROUTES)
    assert report["operations"]["tested"] == described - 1, "all but the address that schemathesis has the description from"
    assert succeeded(tmp_path / "all.har") >= REACHED
    assert "Traceback" not in log


def succeeded(har: Path) -> set[str]:
    """The methods and addresses that were answered with success at least once."""
    entries = json.loads(har.read_text())["log"]["entries"]
    return {
        f"{entry['request']['method']} /{entry['request']['url'].partition('?')[0].split('/', 3)[3]}"
        for entry in entries
        if entry["response"]["status"] < 300
    }

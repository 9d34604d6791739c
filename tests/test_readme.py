"""What the README says is so: limits and their defaults, error codes, measured numbers, and commands as they stand there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from gateway.core import errors
from gateway.settings import Settings
from tests.live import Gateway

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
LIMITS = {
    *("notebook_timeout_s", "jupyter_buffer_bytes"),
    *("python_timeout_s", "max_timeout_s", "memory_mb", "output_bytes", "rich_bytes", "work_mb", "tmp_mb", "shm_mb"),
    *(
        "processes",
        "open_files",
        "cpu_cores",
        "cpu_s",
        "max_kernels",
        "queue_limit",
        "queue_wait_s",
        "requests_per_minute",
        "concurrent_runs",
        "max_connections",
        "javascript_timeout_s",
        "body_bytes",
        "file_bytes",
    ),
    *("stream_grace_s", "stream_bytes"),
    *("history_max_rows", "history_max_days"),
    *("sessions_per_key", "session_idle_s", "session_max_idle_s", "transcript_bytes", "max_sessions", "session_lifetime_s"),
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below *heading*."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]


def test_every_limit_stands_in_the_readme_with_its_default() -> None:
    """A changed default or a new limit has to show there."""
    told: dict[str, str] = {}
    for row in rows("Limits")[2:]:
        names = re.findall(r"OMEGA_([A-Z_]+)", row[2])
        numbers = re.findall(r"[\d.]+", row[1])
        if names:
            assert len(names) == len(numbers), row
            told.update({name.lower(): number for name, number in zip(names, numbers, strict=True)})
    assert {name: float(number) for name, number in told.items()} == {
        name: float(Settings.model_fields[name].default) for name in LIMITS
    }


@pytest.mark.parametrize("name", re.findall(r"OMEGA_([A-Z_]+)", README))
def test_every_setting_the_readme_names_exists(name: str) -> None:
    """A renamed setting must not live on in the text."""
    assert name.lower() in Settings.model_fields


@pytest.mark.parametrize("kind", errors.GatewayError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_error_code_stands_in_the_readme(kind: type[errors.GatewayError]) -> None:
    """Callers rely on the codes; each is documented with its status."""
    assert f"`{kind.code}`" in README
    assert str(kind.status) in README


def test_the_measured_numbers_are_those_of_the_last_benchmark() -> None:
    """The table is made by the benchmark, not by hand."""
    written = (ROOT / "tests/bench/results.md").read_text()
    table = "\n".join(line for line in written.split("\n\nProcessor time", 1)[0].splitlines())
    shown = README.split("<!-- bench: made by tests/bench -->", 1)[1].split("<!-- /bench -->", 1)[0]
    assert shown.strip() == table.strip()


def test_every_file_the_readme_points_to_is_there() -> None:
    """No link leads nowhere."""
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.kernel
def test_the_quick_start_gives_what_it_shows(gateway: Gateway) -> None:
    """The command as it stands, but for the port of this test's gateway; the answer as far as it is shown."""
    block = README.split("$ curl -s http", 1)[1].split("```", 1)[0]
    command, _, shown = ("curl -s http" + block).partition("\n{")
    command = command.replace("\\\n", " ").replace("http://127.0.0.1:8080", gateway.url).replace("$TOKEN", gateway.token)
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=60, check=True)
    answer = json.loads(done.stdout)
    expected = json.loads("{" + shown.strip().removesuffix(",...}") + "}")
    assert {**answer, "executionTime": 0} == {**answer, **expected, "executionTime": 0}

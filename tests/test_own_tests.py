"""Each module of the core is covered, branch by branch, by the test of its name alone.

What is tested in passing breaks in passing: a reader of a module finds all that it promises in one place.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import coverage
import pytest

from tests.source import ROOT

MODULES = sorted((ROOT / "gateway" / "core").glob("[!_]*.py"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> coverage.Coverage:
    """What the tests of the core ran, by module of tests."""
    folder = tmp_path_factory.mktemp("coverage")
    settings = folder / "coverage.ini"
    settings.write_text(
        f"[run]\nbranch = True\nsource = gateway.core\ndata_file = {folder / 'data'}\n"
        "[report]\nexclude_also =\n    assert_never\n    case _ as never\n"
    )
    tests = [
        sys.executable,
        "-m",
        "coverage",
        "run",
        f"--rcfile={settings}",
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.own_context",
    ]
    options = ["-p", "no:cacheprovider", "tests/gateway/core"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run([*tests, *options], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    read = coverage.Coverage(config_file=str(settings), data_file=str(folder / "data"))
    read.load()
    return read


@pytest.mark.thorough
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_a_module_of_the_core_is_covered_by_its_own_test(measured: coverage.Coverage, module: Path) -> None:
    """And by what imports run; the lines that are missing stand in the failure."""
    report = io.StringIO()
    own = ["^$", f"^test_{module.stem}$"]
    covered = measured.report(morfs=[str(module)], contexts=own, show_missing=True, file=report)
    assert covered == 100, report.getvalue()

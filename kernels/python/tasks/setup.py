"""The setup task: sets environment and directory of a session before any code of the caller runs."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from kernels.serving.setup import SetupError, make


def apply(shell: Any, inputs: dict[str, Any]) -> None:
    """Set the variables of ``inputs["env"]`` and change to ``inputs["cwd"]``, which is created if missing.

    The work directory is the directory a fresh kernel is in. What reads its environment when a process starts (Python's own
    ``PYTHON...``, the numbers of threads) has read it already; programs the code starts do see it.
    """
    env, cwd = inputs.get("env"), inputs.get("cwd")
    if isinstance(env, dict) and env:
        os.environ.update({str(name): str(value) for name, value in env.items()})
        time.tzset()
    if isinstance(cwd, str) and cwd:
        _enter(shell, make(cwd))


def _enter(shell: Any, path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        raise SetupError(f"cwd can't be used: {error.strerror}") from None
    if path not in sys.path:
        sys.path.insert(0, path)
    shell.history_manager.dir_hist = [path]
    shell.user_ns["_dh"][:] = [path]

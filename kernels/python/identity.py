"""What one kernel has of its own, although all kernels of a zygote are copies of one process."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kernels.python.parts import Parts

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_SEED_BYTES = 32


def environment(work_dir: str, given: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a kernel, made from nothing; *given* has the last word."""
    folders = (str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin")
    fixed = {
        "HOME": work_dir,
        "PATH": os.pathsep.join(folders),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "PAGER": "cat",
        "TMPDIR": "/tmp",
        "TZ": "UTC",
        "USER": "kernel",
        "MPLBACKEND": "agg",
        # They would go on asking a network that is not there: for twelve seconds, and for minutes.
        "PIP_NO_INDEX": "1",
        "npm_config_offline": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
    }
    return {**fixed, **dict.fromkeys(THREADS, "1"), **given}


def reseed() -> None:
    """Give this process random numbers, names and secrets of its own."""
    random.seed()
    np.random.seed(np.frombuffer(os.urandom(_SEED_BYTES), np.uint32))
    names: Any = tempfile
    names._name_sequence, names.tempdir = None, None
    ids: Any = uuid
    ids._node = ids._last_timestamp = None
    multiprocessing.current_process().authkey = os.urandom(_SEED_BYTES)


def rename(parts: Parts, kernel_id: str, key: str) -> None:
    """Make the kernel at rest the one called *kernel_id*, whose messages are signed with *key*."""
    sign(parts.session, parts.kernel, kernel_id, key)
    parts.kernel.shell.displayhook.topic = parts.kernel._topic("execute_result")


def sign(session: Any, kernel: Any, kernel_id: str, key: str) -> None:
    """Give *kernel* its name, and *session* an identity and a *key* of its own."""
    session.pid, session.session, session.key = os.getpid(), uuid.uuid4().hex, key.encode("ascii")
    session.message_count = 0
    kernel.ident = kernel_id

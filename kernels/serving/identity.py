"""Makes one kernel distinct, although all kernels of a zygote are copies of one process."""

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

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


_SEED_BYTES = 32


def environment(work_dir: str, given: Mapping[str, str]) -> dict[str, str]:
    """The complete environment of a kernel; *given* overrides it."""
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
        "USER": "omega",
        "MPLBACKEND": "agg",  # of programs that the code starts; the kernel's own backend shows figures in the answer
        # Without these they would retry without a network: for twelve seconds, and for minutes.
        "PIP_NO_INDEX": "1",
        "npm_config_offline": "true",
        # Figures as data, and as a page that names the library; its own choice is a page with the library in it: 5 MB.
        "PLOTLY_RENDERER": "plotly_mimetype+colab",
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


def sign(session: Any, kernel: Any, kernel_id: str, key: str) -> None:
    """Give *kernel* its name, and *session* an identity and a *key* of its own."""
    session.pid, session.session, session.key = os.getpid(), uuid.uuid4().hex, key.encode("ascii")
    session.message_count = 0
    kernel.ident = kernel_id

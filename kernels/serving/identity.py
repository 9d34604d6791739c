"""Makes one kernel distinct, although all kernels of a zygote are copies of one process."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import tempfile
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np

from kernels import program_environment

_SEED_BYTES = 32


def environment(work_dir: str, given: Mapping[str, str]) -> dict[str, str]:
    """The complete environment of this kernel; *given* overrides it."""
    return program_environment.environment(sys.executable, work_dir, given)


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

"""Runs that read what nobody has read before leave nothing of themselves in Linux."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.live import HANG_S
from tests.promises.harness import Attack
from tests.traces import dying_groups

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]
MANY = 40
READ = """
for path in PATHS:
    with open(path, "rb") as file: file.read()
print("read")
"""


def test_no_group_of_an_ended_kernel_stays_in_linux(attacked: Attack) -> None:
    """Linux would keep each group that is charged with a file of the host's for as long as it has the memory.

    Those it keeps are counted, of the whole machine: other programs' come and go, so there are many runs.
    """
    if attacked.environment == "user":
        pytest.skip("no control groups")
    paths = _forgotten(MANY)
    before = dying_groups()
    for path in paths:
        answer = attacked.place.gateway.run(f"PATHS = [{path!r}]\n{READ}")
        assert answer["output"] == "read\n", answer
    attacked.watch.check(MANY)
    deadline = time.monotonic() + HANG_S
    while (stayed := dying_groups() - before) > MANY / 2:
        assert time.monotonic() < deadline, f"{stayed} groups stay of {MANY} runs"
        time.sleep(0.1)  # Linux takes a group down in its own time


def _forgotten(number: int) -> list[str]:
    """Files that kernels can read, and that Linux has to read anew from the disk."""
    found: list[str] = []
    for path in Path("/usr/share").rglob("*"):
        if len(found) == number:
            break
        if path.is_file() and not path.is_symlink() and path.stat().st_size > 1 << 14:
            fd = os.open(path, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)
            found.append(str(path))
    return found

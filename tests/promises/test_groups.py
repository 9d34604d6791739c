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
ROUNDS = 5
PATIENCE_S = HANG_S / ROUNDS
READ = """
for path in PATHS:
    with open(path, "rb") as file: file.read()
print("read")
"""


@pytest.mark.parametrize("attacked", ["root"], indirect=True)
def test_no_group_of_an_ended_kernel_stays_in_linux(attacked: Attack) -> None:
    """Linux would keep each group that is charged with a file of the host's for as long as it has the memory.

    Those it keeps are counted, of the whole machine: other programs' come and go, so there are many runs, and several rounds
    of them. A group that stays does so in each round. An ordinary user's gateway makes groups only where it was given one to
    make them in, which the corpus does not do.
    """
    rounds: list[int] = []
    while len(rounds) < ROUNDS and (not rounds or rounds[-1] > MANY / 2):
        rounds.append(_stayed(attacked))
    assert rounds[-1] <= MANY / 2, f"{rounds} groups stay of {MANY} runs each"


def _stayed(attacked: Attack) -> int:
    """How many more groups there are after many runs than before, when Linux has had its time."""
    paths, before = _forgotten(MANY), dying_groups()
    for path in paths:
        answer = attacked.place.gateway.run(f"PATHS = [{path!r}]\n{READ}")
        assert answer["output"] == "read\n", answer
    attacked.watch.check(MANY)
    deadline = time.monotonic() + PATIENCE_S
    while (stayed := dying_groups() - before) > MANY / 2 and time.monotonic() < deadline:
        time.sleep(0.1)  # Linux takes a group down in its own time
    return stayed


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

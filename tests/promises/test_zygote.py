"""Corpus 8.6, seen from outside: what the zygote has, which each of its forks would inherit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.promises.harness import Attack
from tests.promises.invariants import helpers, memory_bytes

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]

FORKS = 60
GROWTH_BYTES = 5 * 2**20
HARMLESS = ("socket:[", "pipe:[", "anon_inode:", "/dev/null")


def test_the_zygote_holds_nothing_a_fork_could_inherit(attacked: Attack) -> None:
    """One thread, no file or directory open, an environment made from nothing, out of reach of others (not dumpable)."""
    _, zygote = helpers(attacked.place.gateway.pid)
    place = Path(f"/proc/{zygote}")
    assert len(list((place / "task").iterdir())) == 1
    opened = [os.readlink(path) for path in (place / "fd").iterdir()]
    assert [target for target in opened if not target.startswith(HARMLESS) and not _is_log(target, attacked)] == []
    environment = (place / "environ").read_bytes().split(b"\0")
    names = {item.partition(b"=")[0].decode() for item in environment if item}
    assert not {name for name in names if "TOKEN" in name or "OMEGA" in name or "CANARY" in name}, names
    assert "PATH" in names and "TMPDIR" not in names, names
    assert place.joinpath("environ").stat().st_uid == 0, "a process that is dumpable belongs to its user"


def _is_log(target: str, attacked: Attack) -> bool:
    """Standard error, which each kernel replaces before it does anything."""
    return target == str(attacked.place.gateway.log)


def test_the_zygote_does_not_grow_with_its_kernels(attacked: Attack) -> None:
    """Forking a kernel leaves nothing in the zygote; it is replaced after a number of forks all the same."""
    gateway = attacked.place.gateway
    for _ in range(10):
        gateway.run("x = 1")
    before = memory_bytes(helpers(gateway.pid)[1])
    for _ in range(FORKS):
        gateway.run("x = list(range(1000))")
    attacked.watch.check()
    grown = memory_bytes(helpers(gateway.pid)[1]) - before
    assert grown < GROWTH_BYTES * max(1, FORKS / 1000), f"{grown} bytes after {FORKS} kernels"

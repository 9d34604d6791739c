"""Control groups of version 1: a directory for each controller, and other files than version 2 has."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernels.contract import MIB, Policy
from kernels.sandbox import cgroup_files as files
from kernels.sandbox.cgroup_v1 import GroupV1, below_mount, find_v1

POLICY = Policy(memory_bytes=64 * MIB, processes=20, cpu_cores=0.5)


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [("/", "/a", "a"), ("/docker/x", "/docker/x/a", "a"), ("/docker/x", "/docker/x", ""), ("/docker/x", "/other", "")],
)
def test_the_own_group_is_found_below_a_partial_mount(root: str, path: str, expected: str, tmp_path: Path) -> None:
    """In a container the tree's mount shows a part of it, and a group outside that part cannot be seen."""
    (tmp_path / "a").mkdir()
    assert below_mount(str(tmp_path), root, path) == tmp_path / expected


def test_version_1_needs_memory_and_pids() -> None:
    """CPU control is welcome and optional."""
    line = "30 23 0:27 / /cg/{0} rw - cgroup cgroup rw,{0}\n"
    own = "4:memory:/\n3:pids:/\n2:cpu,cpuacct:/\n"
    assert find_v1("p", line.format("memory"), own) is None
    found = find_v1("p", line.format("memory") + line.format("pids") + line.format("cpu,cpuacct"), own)
    assert found is not None
    assert set(found.places) == {"memory", "pids", "cpu", "cpuacct"}


def test_version_1_bounds_what_waits_in_sockets(tmp_path: Path) -> None:
    """It counts that apart from memory, and without a limit not at all."""
    for name in ("memory.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes", "pids.max"):
        (tmp_path / name).touch()
    GroupV1({"memory": tmp_path, "pids": tmp_path}).limit(POLICY, 64 * MIB)
    assert (tmp_path / "memory.kmem.tcp.limit_in_bytes").read_text() == str(8 * MIB)


def test_version_1_counts_cpu_time_in_nanoseconds(tmp_path: Path) -> None:
    """cpuacct.usage, not ticks."""
    (tmp_path / "cpuacct.usage").write_text("2500000000\n")
    assert GroupV1({"memory": tmp_path, "pids": tmp_path, "cpuacct": tmp_path}).cpu_s() == 2.5


def test_where_nothing_was_read_nothing_is_given_back(tmp_path: Path) -> None:
    """Version 1 tells: what is charged is Linux's own memory for the group alone, which outlives none."""
    for name in ("memory.usage_in_bytes", "memory.kmem.usage_in_bytes"):
        (tmp_path / name).write_text("4096\n")
    (tmp_path / "memory.force_empty").touch()
    files.reclaim(tmp_path)
    assert (tmp_path / "memory.force_empty").read_text() == ""

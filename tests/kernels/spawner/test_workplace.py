"""Work directories on the host: private, counted, and removed whatever a kernel made of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernels.spawner.workplace import TEMPORARY, Workplaces, empty, used


def deep(folder: Path, depth: int) -> None:
    """A chain of directories, longer than any path may be."""
    at = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def test_a_tree_deeper_than_a_stack_is_removed(tmp_path: Path) -> None:
    """Recursion would end the spawner here, and with it every kernel."""
    deep(tmp_path, 5000)
    assert empty(str(tmp_path)) == ""
    assert list(tmp_path.iterdir()) == []


def test_what_is_linked_to_is_left_alone(tmp_path: Path) -> None:
    """A link is removed, not followed; closed directories and odd names are no obstacle."""
    (outside := tmp_path / "outside").mkdir()
    (outside / "kept").touch()
    (work := tmp_path / "work").mkdir()
    (work / "out").symlink_to(outside)
    (work / "a").mkdir()
    (work / "a" / "b").mkdir()
    (work / "a" / "b" / "up").symlink_to("../../..")
    os.mkdir(os.fsencode(work) + b"/\xff\n")
    (work / "a").chmod(0)
    assert empty(str(work)) == ""
    assert [path.name for path in outside.iterdir()] == ["kept"]


def test_counting_ends_at_the_limit(tmp_path: Path) -> None:
    """A million files take no longer than the limit."""
    for number in range(20):
        (tmp_path / str(number)).write_bytes(b"x" * 4096)
    size_bytes, entries = used(str(tmp_path), 100)
    assert entries == 20
    assert size_bytes >= 20 * 4096
    assert used(str(tmp_path), 5)[1] == 6


def test_each_kernel_has_a_directory_and_none_stays(tmp_path: Path) -> None:
    """Made for one, removed with what is in it, and the leftovers of a killed gateway with the next start."""
    (root := tmp_path / "work").mkdir()
    places = Workplaces.open(root, "test", own_uids=False)
    work = Path(places.make("one", os.geteuid()))
    assert (work.stat().st_mode & 0o777, [path.name for path in work.iterdir()]) == (0o700, [TEMPORARY])
    (work / "x").touch()
    with pytest.raises(FileExistsError):
        places.make("one", os.geteuid())
    places.remove(str(work), os.geteuid())
    assert list(root.iterdir()) == []
    places.make("two", os.geteuid())
    Workplaces.open(root, "test", own_uids=False)
    assert list(root.iterdir()) == []

"""What a watch of the files helper sees between two looks, among traps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernels.files_helper import watch
from kernels.files_helper.folder import delete, write
from kernels.files_helper.watch import DirectoryWatch
from kernels.filewire import MAX_DEPTH, MAX_ENTRIES


@pytest.fixture
def work(tmp_path: Path) -> Path:
    place = tmp_path / "work"
    place.mkdir()
    return place


@pytest.fixture
def root(work: Path) -> Iterator[int]:
    """The work directory as the helper holds it."""
    fd = os.open(work, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def begun(root: int, under: bytes = b"", depth: int = MAX_DEPTH) -> DirectoryWatch:
    made = DirectoryWatch(root, under, depth)
    made.begin()
    return made


def seen(watching: DirectoryWatch) -> list[tuple[str, bytes]]:
    """What differs by now."""
    return [(change, entry.path) for change, entry in watching.changes()]


def test_what_comes_changes_and_goes_is_told_once(root: int, work: Path) -> None:
    """Directories before their contents, and after them when they go; the times of a directory are no news."""
    write(root, b"old", [b"1"], 1)
    watching = begun(root)
    assert seen(watching) == []
    write(root, b"d/new", [b"1"], 1)
    (work / "old").write_bytes(b"22")
    assert seen(watching) == [("created", b"d"), ("created", b"d/new"), ("changed", b"old")]
    (work / "d" / "new").chmod(0o600)
    (work / "d").chmod(0o700)
    assert seen(watching) == [("changed", b"d"), ("changed", b"d/new")]
    delete(root, b"d", is_recursive=True)
    os.symlink("/etc/passwd", work / "link")
    assert seen(watching) == [("deleted", b"d/new"), ("deleted", b"d"), ("created", b"link")]
    assert seen(watching) == []


def test_a_watch_sees_what_it_was_asked_to(root: int, work: Path) -> None:
    """One directory, as deep as asked; no upload before it is whole, and nothing through a link."""
    (work / "d" / "e").mkdir(parents=True)
    os.symlink("/etc", work / "d" / "link")
    shallow, deep = begun(root, b"d", 1), begun(root, b"d")
    write(root, b"d/f", [b"1"], 1)
    write(root, b"d/e/f", [b"1"], 1)
    write(root, b"beside", [b"1"], 1)
    (work / "d" / ".upload-0123456789abcdef").touch()
    assert seen(shallow) == [("created", b"d/f")]
    assert seen(deep) == [("created", b"d/e/f"), ("created", b"d/f")]
    for path in (b"d/link", b"none", b"beside"):
        with pytest.raises(OSError, match="openat2"):
            begun(root, path)


def test_a_watched_directory_that_becomes_a_link_ends_the_watch(root: int, work: Path) -> None:
    """It does not go on somewhere else."""
    (work / "d").mkdir()
    watching = begun(root, b"d")
    (work / "d").rename(work / "away")
    os.symlink("/etc", work / "d")
    with pytest.raises(OSError, match="openat2"):
        seen(watching)


def test_more_than_a_listing_has_is_not_all_seen(root: int, work: Path) -> None:
    """It says so, and tells nothing that may be chance until all can be seen."""
    for at in range(MAX_ENTRIES + 1):
        (work / f"{at:05}").touch()
    watching = begun(root)
    assert [watching.is_cut, seen(watching), watching.is_cut] == [True, [], True]
    (work / "00000").unlink()
    assert [seen(watching), watching.is_cut] == [[], False]
    (work / "00001").unlink()
    assert seen(watching) == [("deleted", b"00001")]


def test_a_costly_look_is_followed_by_a_long_pause(root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock on which each look takes a second."""
    times = iter(range(10))
    monkeypatch.setattr("kernels.files_helper.watch.time.monotonic", lambda: float(next(times)))
    monkeypatch.setattr(watch, "EntryWalk", lambda *_, **__: _Nothing())
    watching = begun(root)
    assert watching.pause_s == watch.SHARE


class _Nothing:
    """An empty listing."""

    is_cut = False

    def __iter__(self) -> Iterator[object]:
        return iter(())

"""What a run did to files, as a look before and after tells it."""

from __future__ import annotations

import os
from pathlib import Path

from kernels import workfiles
from kernels.workfiles import MAX_DEPTH, MAX_ENTRIES, MAX_REPORTED, changes, look, mark


def told(before: workfiles.Look, after: workfiles.Look) -> dict[bytes, tuple[str, int]]:
    said = changes(before, after)
    assert said["cut"] is False
    return {bytes.fromhex(row["path"]): (row["change"], row["size"]) for row in said["files"]}


def test_created_changed_and_deleted_files_are_told(tmp_path: Path) -> None:
    """Also of the same size, in directories, and with names that are no text; what was only read is not told."""
    for name in ("same", "grown", "gone", "replaced"):
        (tmp_path / name).write_text("12")
    before = look(str(tmp_path))
    (tmp_path / "grown").write_text("123")
    (tmp_path / "gone").unlink()
    (tmp_path / "new").write_text("12")
    os.rename(tmp_path / "new", tmp_path / "replaced")
    (tmp_path / "same").read_text()
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "f").write_text("1")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xc3")).write_text("")
    assert told(before, look(str(tmp_path))) == {
        b"grown": ("changed", 3),
        b"gone": ("deleted", 0),
        b"replaced": ("changed", 2),
        b"d/e/f": ("created", 1),
        b"\xc3": ("created", 0),
    }


def test_links_are_not_followed_and_the_temporary_directory_is_left_out(tmp_path: Path) -> None:
    """A link to a directory above would otherwise never end."""
    work = tmp_path / "work"
    (work / ".tmp").mkdir(parents=True)
    before = look(str(work), str(work / ".tmp"))
    (work / ".tmp" / "x").touch()
    os.symlink("..", work / "up")
    os.symlink("/etc/passwd", work / "file")
    assert told(before, look(str(work), str(work / ".tmp"))) == {}


def test_a_look_is_bounded_and_says_so(tmp_path: Path) -> None:
    """In number and depth; what only one of two looks has seen is then not called created or deleted."""
    for at in range(MAX_ENTRIES + 1):
        (tmp_path / f"{at}").touch()
    cut = look(str(tmp_path))
    assert cut.is_cut
    assert len(cut.files) <= MAX_ENTRIES
    assert changes(cut, look(str(tmp_path / "nowhere"))) == {"files": [], "cut": True}
    deep = tmp_path.joinpath("deep", *["d"] * (MAX_DEPTH + 2))
    deep.mkdir(parents=True)
    assert look(str(tmp_path / "deep")).is_cut


def test_only_so_many_changes_are_told() -> None:
    """The reply has a size."""
    after = workfiles.Look({f"{at}".encode(): (at, at, at) for at in range(MAX_REPORTED + 1)})
    said = changes(workfiles.Look(), after)
    assert len(said["files"]) == MAX_REPORTED
    assert said["cut"] is True


def test_a_directory_that_is_gone_is_no_error(tmp_path: Path) -> None:
    """Code may have removed anything."""
    assert look(str(tmp_path / "nowhere")).is_cut


def test_a_mark_differs_once_an_entry_came_or_went(tmp_path: Path) -> None:
    """One look at the directory itself tells; without one nothing does."""
    (tmp_path / "old").write_text("1")
    before = mark(str(tmp_path))
    (tmp_path / "old").read_text()
    assert mark(str(tmp_path)) == before
    (tmp_path / "d").mkdir()
    assert mark(str(tmp_path)) != before
    assert mark(str(tmp_path / "gone")) is None

"""Files that a run is given and gives back, in a directory that its code may have prepared."""

from __future__ import annotations

import base64
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernels.python import run_files
from kernels.python.run_files import FilesError, Globs, fetch, write_all


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in *folder*: a file's bytes, None for all else."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(folder.rglob("*"))
    }


def fetched(folder: Path, *globs: str, most: int = 1000, hidden: str = "") -> tuple[dict[str, bytes], dict[str, str], bool]:
    """The files that came back, the reasons why others did not, and whether there may be more."""
    told: Any = fetch(str(folder), [glob.encode() for glob in globs], most, hidden)
    files = {bytes.fromhex(row["path"]).decode(): base64.b64decode(row["base64"]) for row in told["files"]}
    return files, {bytes.fromhex(row["path"]).decode(): row["reason"] for row in told["left_out"]}, told["cut"]


def test_files_are_written_with_their_directories(tmp_path: Path) -> None:
    """Bytes for bytes, in place of files that were there; nothing else is left."""
    (tmp_path / "old").write_bytes(b"1")
    (tmp_path / "other").write_bytes(b"2")
    write_all(str(tmp_path), [(b"a/b/c", b"\0\xff"), (b"a/b/d", b""), (b"old", b"3"), (b"\xff", b"x" * 200_000)])
    files = {os.fsencode(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {b"a/b/c": b"\0\xff", b"a/b/d": b"", b"old": b"3", b"other": b"2", b"\xff": b"x" * 200_000}
    assert not list(tmp_path.rglob(".upload-*"))


@pytest.mark.parametrize(
    ("prepare", "path"),
    [
        (lambda work: (work / "l").symlink_to("/"), b"l/etc/x"),
        (lambda work: (work / "l").symlink_to(work.parent), b"l/x"),
        (lambda work: (work / "l").symlink_to(work.parent / "outside"), b"l"),
        (lambda work: (work / "d").mkdir(), b"d"),
        (lambda work: (work / "f").write_bytes(b"1"), b"f/x"),
        (lambda work: os.mkfifo(work / "p"), b"p"),
    ],
)
def test_one_that_can_not_be_written_leaves_all_as_it_was(
    tmp_path: Path, prepare: Callable[[Path], object], path: bytes
) -> None:
    """A link is not followed, nor replaced; the error names the file."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "kept").write_bytes(b"1")
    prepare(work)
    before = tree(work)
    with pytest.raises(FilesError, match=f"^files: '{path.decode()}' can't be written: "):
        write_all(str(work), [(b"kept", b"2"), (b"new/er", b"3"), (path, b"4"), (b"last", b"5")])
    assert tree(work) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["work"]


def test_a_directory_that_can_not_be_opened_is_told(tmp_path: Path) -> None:
    """The code of a session may have done anything to it."""
    with pytest.raises(FilesError, match=r"^files: the work directory can't be used: No such file or directory$"):
        write_all(str(tmp_path / "gone"), [(b"a", b"1")])


def test_a_full_directory_is_told_and_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a file takes room that the session needs."""
    written = 0

    def write(fd: int, data: memoryview) -> int:
        nonlocal written
        if written:
            raise OSError(errno.ENOSPC, "full")
        written += 1
        return real(fd, data[:3])

    real = os.write
    monkeypatch.setattr(os, "write", write)
    with pytest.raises(FilesError, match=r"^files: 'a/b' can't be written: the work directory is full$"):
        write_all(str(tmp_path), [(b"a/b", b"123456")])
    assert written
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("*.csv", ["a.csv", "ü.csv"], ["a.csvx", "d/a.csv", ".a.csv", "a"]),
        ("a?[0-9]", ["ab1"], ["a1", "abc", "ab/1"]),
        ("[!a]*", ["b"], ["a", ".b"]),
        ("**", ["a", "d/a", "d/e/f"], [".a", "d/.a", ".d/a"]),
        ("**/x", ["x", "a/x", "a/b/x"], ["xx", "a/x/y", ".a/x"]),
        ("a/**/b/*", ["a/b/c", "a/d/b/c", "a/d/e/b/c"], ["a/b", "b/c", "a/b/c/d"]),
        ("a/**", ["a/b", "a/b/c"], ["b/a", "a/.b"]),
        (".c/*", [".c/a"], ["c/a", ".c/.a"]),
        ("**/.c", [".c", "a/.c"], ["c"]),
        ("[", ["["], ["a"]),
        ("a**b", ["ab", "axb"], ["a/b"]),
    ],
)
def test_a_pattern_matches_as_in_shells(glob: str, matching: list[str], others: list[str]) -> None:
    """A star stays within one name and passes over hidden ones."""
    globs = Globs([glob.encode()])
    assert [path for path in matching if not globs.match(path.encode())] == []
    assert [path for path in others if globs.match(path.encode())] == []


def test_no_pattern_takes_for_ever() -> None:
    """One that would try every way to share out a name or a path is tried once for each place."""
    assert not Globs([b"*a" * 100 + b"b"]).match(b"a" * 255)
    assert not Globs([b"**/a/" * 200 + b"b"]).match(b"a/" * 40 + b"a")


def test_what_matches_comes_back_and_the_rest_is_named(tmp_path: Path) -> None:
    """In the order of the names; a path without a star is found also where nothing is listed."""
    write_all(str(tmp_path), [(b"a.csv", b"1"), (b"b.csv", b"22"), (b"d/c.txt", b"3"), (b".h/x", b"4"), (b"tmp/t", b"5")])
    hidden = str(tmp_path / "tmp")
    files, left, is_cut = fetched(tmp_path, "*.csv", "b.csv", ".h/x", "gone", hidden=hidden)
    assert files == {".h/x": b"4", "a.csv": b"1", "b.csv": b"22"}
    assert left == {"d/c.txt": "no_match"}
    assert is_cut is False


def test_there_is_room_for_so_many_bytes(tmp_path: Path) -> None:
    """A file that does not fit is left out whole, and a later one that fits comes."""
    write_all(str(tmp_path), [(b"a", b"1" * 60), (b"b", b"2" * 60), (b"c", b"3" * 40), (b"d", b"")])
    files, left, _ = fetched(tmp_path, "*", most=100)
    assert {name: len(data) for name, data in files.items()} == {"a": 60, "c": 40, "d": 0}
    assert left == {"b": "limit"}
    assert fetched(tmp_path, "*", most=0)[0] == {"d": b""}


def test_no_link_is_followed_on_the_way_back(tmp_path: Path) -> None:
    """Not in the middle of a path, nor by a walk, and none leads it round in circles."""
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "secret").write_bytes(b"s")
    (work / "up").symlink_to(tmp_path)
    (work / "file").symlink_to(tmp_path / "secret")
    (work / "self").symlink_to(work)
    os.mkfifo(work / "pipe")
    files, left, is_cut = fetched(work, "up/secret", "file", "**/*", "pipe")
    assert files == {}
    assert left == {"up/secret": "link", "file": "link", "up": "link", "self": "link", "pipe": "not_a_file"}
    assert is_cut is False


def test_a_walk_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded in entries and in depth; what is named exactly comes back all the same."""
    deep = tmp_path
    for _ in range(run_files.MAX_DEPTH + 2):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "x").write_bytes(b"1")
    assert fetched(tmp_path, "**/x") == ({}, {}, True)
    assert fetched(tmp_path, str((deep / "x").relative_to(tmp_path)))[0] != {}
    monkeypatch.setattr(run_files, "MAX_ENTRIES", 5)
    for number in range(10):
        (tmp_path / f"f{number}").write_bytes(b"")
    files, left, is_cut = fetched(tmp_path, "f9", "f8")
    assert (set(files), is_cut) == ({"f8", "f9"}, True)
    assert len(left) <= 5


@pytest.mark.parametrize("globs", [["f*"], ["**/f*", "*"]])
def test_a_search_takes_so_much_processor_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, globs: list[str]) -> None:
    """When it is used up the answer says so; what is named exactly comes back all the same."""
    (tmp_path / "f").write_bytes(b"1")
    monkeypatch.setattr(run_files, "BUDGET_S", -1.0)
    assert fetched(tmp_path, *globs) == ({}, {}, True)
    assert fetched(tmp_path, "f", *globs) == ({"f": b"1"}, {}, True)


def test_few_files_are_named_that_do_not_come(tmp_path: Path) -> None:
    """A list of all in a full directory would be larger than what was asked for."""
    for number in range(run_files.MAX_ROWS + 5):
        (tmp_path / f"{number}").write_bytes(b"")
    _, left, is_cut = fetched(tmp_path, "none")
    assert (len(left), is_cut) == (run_files.MAX_ROWS, True)


def test_a_directory_that_is_gone_is_no_error(tmp_path: Path) -> None:
    """Code may have removed or locked anything."""
    assert fetched(tmp_path / "gone", "*") == ({}, {}, True)

"""Names of files in a work directory."""

from __future__ import annotations

import pytest

from gateway.core.errors import BadRequest
from gateway.core.files import MAX_HEX_CHARS, FileChange, check_move, is_path, parse_changes, parse_path, path_of_hex


@pytest.mark.parametrize("path", [b"a", b"a/b.csv", b"\xff\xfe", "größe.txt".encode(), b"a b/ c"])
def test_a_relative_path_is_taken_as_it_is(path: bytes) -> None:
    """Not every name is text."""
    assert is_path(path)
    assert parse_path(path) == path


@pytest.mark.parametrize("path", [b"", b"/etc/passwd", b"../a", b"a/../b", b"a//b", b"a/.", b"a\0b", b"a" * 5000])
def test_a_path_that_leaves_the_directory_is_refused(path: bytes) -> None:
    """So is one that no file can have."""
    assert not is_path(path)
    with pytest.raises(BadRequest) as refused:
        parse_path(path)
    assert refused.value.message.endswith(".")


def test_nothing_moves_into_itself() -> None:
    """Beside itself, under a name that begins alike, it may."""
    check_move(b"a/b", b"a/bc")
    check_move(b"a/b", b"a")
    check_move(b"a", b"a")
    with pytest.raises(BadRequest, match="into itself"):
        check_move(b"a/b", b"a/b/c")


def test_a_kernel_writes_paths_in_hexadecimal() -> None:
    """Bytes that are no text come through; anything else is no path."""
    assert path_of_hex(b"a/\xff".hex()) == b"a/\xff"
    for wrong in (
        None,
        1,
        b"61",
        "",
        "6",
        "6A",
        "0x61",
        "61 ",
        "6\u0661",
        "2f61",
        "2e2e2f61",
        "61" * (MAX_HEX_CHARS // 2 + 1),
    ):
        assert path_of_hex(wrong) is None, wrong


A = b"a".hex()


@pytest.mark.parametrize(
    ("said", "changes", "is_cut"),
    [
        (None, (), False),
        ([], (), False),
        ({"files": 5}, (), False),
        ({"files": [], "cut": True}, (), True),
        ({"files": [{"path": A, "change": "created", "size": 3}]}, (FileChange(b"a", "created", 3),), False),
        ({"files": [{"path": A, "change": "changed", "size": -3}]}, (FileChange(b"a", "changed", 0),), False),
        ({"files": [{"path": A, "change": "changed", "size": "3"}]}, (FileChange(b"a", "changed", 0),), False),
        ({"files": [{"path": A, "change": "deleted", "size": 3}]}, (FileChange(b"a", "deleted", 0),), False),
        ({"files": [{"path": A, "change": "moved"}]}, (), True),
        ({"files": [{"path": "a", "change": "created"}]}, (), True),
        ({"files": [{"path": b"../a".hex(), "change": "created"}]}, (), True),
        ({"files": [{"path": 5, "change": "created"}, 7]}, (), True),
        ({"files": [{"path": A, "change": "deleted"}] * 201}, (FileChange(b"a", "deleted", 0),) * 200, True),
    ],
)
def test_changes_of_files_are_checked_one_by_one(said: object, changes: tuple[FileChange, ...], is_cut: bool) -> None:
    """What is not of the form is left out, and that is said."""
    assert parse_changes(said) == (changes, is_cut)

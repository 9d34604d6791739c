"""What an answer tells of a run's files."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from gateway.core.files import FileChange
from gateway.core.model import Result
from gateway.core.request import RunRequest
from gateway.core.run_files import Fetched, FetchedFile, Given, LeftOut
from gateway.web.api.answers import describe_answer
from gateway.web.api.file_answers import describe_fetched, note_lost

FETCHED = Fetched((FetchedFile(b"d/\xff", 3, "AQID"),), (LeftOut(b"big", 9, "limit"),))


def change(path: bytes, what: Literal["created", "changed", "deleted"] = "created") -> FileChange:
    """What a run did to a file."""
    return FileChange(path, what, 1)


def test_files_that_come_back_have_their_names_and_bytes() -> None:
    """And those that do not have a reason."""
    assert describe_fetched(FETCHED) == {
        "files": [{"path": "d/\ufffd", "urlPath": "d/%FF", "size": 3, "base64": "AQID"}],
        "leftOut": [{"path": "big", "urlPath": "big", "size": 9, "reason": "limit"}],
        "truncated": False,
    }


@pytest.mark.parametrize(
    ("paths", "is_cut", "said"),
    [
        ([], False, ""),
        ([b"d/\xff"], False, ""),
        ([b".cache/x", b"__pycache__/m.pyc", b"a/.b"], True, ""),
        ([b"out.csv"], False, "1 file was not kept (out.csv): name what you need in fetchFiles, or use a session."),
        ([b"a", b"b"], False, "2 files were not kept (a, b): name what you need in fetchFiles, or use a session."),
        ([b"a", b"b", b"c", b"d"], False, "4 files were not kept (a, b, c, ...): name what"),
        ([b"a"], True, "1 or more files were not kept (a, ...): name what"),
        ([b"x" * 200], False, "1 file was not kept (" + "x" * 80 + "…): name what"),
        ([b"a\n\x1b[31m"], False, "1 file was not kept (a\ufffd\ufffd[31m): name what"),
    ],
)
def test_files_that_are_lost_are_told(paths: list[bytes], is_cut: bool, said: str) -> None:
    """In one line; those that libraries make for themselves are not missed."""
    note = note_lost(map(change, paths), FETCHED, is_cut=is_cut)
    assert note.startswith(said)
    assert bool(note) is bool(said)
    assert len(note) < 400


def test_a_deleted_file_is_not_lost() -> None:
    """Nobody wants it back."""
    assert note_lost([change(b"a", "deleted")], FETCHED, is_cut=False) == ""


def answer(*, session: str = "", globs: tuple[str, ...] = (), **told: Any) -> dict[str, Any]:
    """The answer to a run that made one file."""
    request = RunRequest("python", "1", 1.0, session=session, given=Given(globs=globs))
    result = Result(True, "", "", "", None, 0, 0.1, files=(change(b"a"),), **told)
    return dict(describe_answer(request, result))


def test_only_a_session_has_files() -> None:
    """Without one they can't be fetched any more, and the note says so."""
    alone, kept = answer(are_files_cut=True), answer(session="s1")
    assert (alone["files"], alone["filesTruncated"]) == ([], False)
    assert alone["note"].startswith("1 or more files were not kept (a, ...)")
    assert [file["path"] for file in kept["files"]] == ["a"]
    assert "note" not in kept
    assert "fetched" not in alone and "fetched" not in kept


def test_files_that_were_asked_for_are_in_the_answer() -> None:
    """Also if the kernel died, and nothing came; never if nobody asked."""
    assert answer(globs=("*",), fetched=FETCHED)["fetched"] == describe_fetched(FETCHED)
    assert answer(globs=("*",))["fetched"] == {"files": [], "leftOut": [], "truncated": True}
    assert "fetched" not in answer(fetched=FETCHED)
    assert "note" not in answer(globs=("*",), fetched=Fetched((FetchedFile(b"a", 0, ""),)))

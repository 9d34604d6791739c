"""What a run is given beside its code, and what a kernel says it gives back."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gateway.core.errors import BadRequest
from gateway.core.run_files import MAX_FETCHED, MAX_ROWS, Fetched, FetchedFile, Given, LeftOut, check_together, parse_fetched

A, FILE = b"a".hex(), {"path": b"a".hex(), "base64": "AQID"}
ROW = {"path": b"b/c".hex(), "size": 3, "reason": "limit"}


def test_it_is_sent_without_loss() -> None:
    """Names are bytes, and so are contents; nothing else is."""
    given = Given(((b"\xff/a", b"\0\x01"),), ("*.csv",), "in", {"A": "1"})
    files = [[b"\xff/a".hex(), base64.b64encode(b"\0\x01").decode()]]
    assert given.to_json() == {"files": files, "globs": ["*.csv"], "stdin": "aW4=", "env": {"A": "1"}}
    assert Given().to_json()["stdin"] is None
    assert Given(stdin="").to_json()["stdin"] == ""


def test_what_a_client_gives_is_not_in_logs() -> None:
    """Neither contents nor values are shown."""
    assert "secret" not in repr(Given(((b"a", b"secret"),), (), "secret", {"A": "secret"}))


@pytest.mark.parametrize("paths", [[], [b"a"], [b"a", b"b"], [b"a/b", b"a/c", b"a b"], [b"a.b/c", b"a"]])
def test_files_that_can_all_exist_pass(paths: list[bytes]) -> None:
    """In any order."""
    check_together(paths, "The form")
    check_together(reversed(paths), "The form")


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ([b"a/b", b"c", b"a/b"], "The form has more than one file named 'a/b'."),
        ([b"a", b"a b", b"a/b"], "The form has a file named 'a' and another below that name."),
        ([b"a/b/c/d", b"a.", b"a/b"], "The form has a file named 'a/b' and another below that name."),
    ],
)
def test_files_that_can_not_all_exist_are_refused(paths: list[bytes], said: str) -> None:
    """Before any of them is written."""
    with pytest.raises(BadRequest) as refused:
        check_together(paths, "The form")
    assert refused.value.message == said


@pytest.mark.parametrize("value", [None, 5, [], "x"])
def test_a_kernel_may_report_nothing(value: object) -> None:
    """Then there is nothing."""
    assert parse_fetched(value) is None


@pytest.mark.parametrize(
    ("value", "fetched"),
    [
        ({}, Fetched()),
        ({"cut": True}, Fetched(is_cut=True)),
        ({"files": [FILE], "left_out": [ROW]}, Fetched((FetchedFile(b"a", 3, "AQID"),), (LeftOut(b"b/c", 3, "limit"),))),
        ({"files": [FILE], "cut": 1}, Fetched((FetchedFile(b"a", 3, "AQID"),))),
    ],
)
def test_what_a_kernel_reports_is_taken(value: object, fetched: Fetched) -> None:
    """With the size that the contents have, whatever it says."""
    assert parse_fetched(value) == fetched


@pytest.mark.parametrize(
    "value",
    [
        {"files": 5, "left_out": "x", "cut": True},
        {"files": [5]},
        {"files": [{**FILE, "path": 5}]},
        {"files": [{**FILE, "path": "a"}]},
        {"files": [{**FILE, "path": b"../a".hex()}]},
        {"files": [{**FILE, "path": "00" * 10_000}]},
        {"files": [{"path": A}]},
        {"files": [{"path": A, "base64": "A"}]},
        {"files": [{"path": A, "base64": "AQ\nID"}]},
        {"files": [{"path": A, "base64": "\u00e4"}]},
        {"left_out": [5]},
        {"left_out": [{**ROW, "path": "zz"}]},
        {"left_out": [{**ROW, "size": True}]},
        {"left_out": [{**ROW, "size": -1}]},
        {"left_out": [{**ROW, "size": 2**63}]},
        {"left_out": [{**ROW, "reason": "<script>"}]},
    ],
)
def test_what_is_malformed_is_dropped(value: object) -> None:
    """And the answer says that something is missing."""
    assert parse_fetched(value) == Fetched(is_cut=True)


def test_a_kernel_can_not_report_without_end() -> None:
    """A few of what comes are read."""
    value: Any = {"files": [FILE] * (MAX_FETCHED + 1), "left_out": [ROW] * (MAX_ROWS + 1)}
    fetched = parse_fetched(value)
    assert fetched is not None
    assert (len(fetched.files), len(fetched.left_out), fetched.is_cut) == (MAX_FETCHED, MAX_ROWS, True)

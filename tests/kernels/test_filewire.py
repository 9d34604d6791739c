"""The frames between gateway and files helper: what is packed is parsed, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels import filewire as wire
from kernels.filewire import FileEntry, PathError, Problem, WireError, split_path

DIGEST = bytes(range(32))


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/etc/passwd",
        b"..",
        b"../x",
        b"a/../b",
        b"a/..",
        b".",
        b"./a",
        b"a/./b",
        b"a//b",
        b"a/",
        b"/",
        b"a\0b",
        b"x" * 256,
        b"a/" + b"x" * 256,
        b"ab/" * 3000 + b"x",
    ],
)
def test_a_path_that_could_name_something_else_is_refused(path: bytes) -> None:
    """With a sentence for whoever asked."""
    with pytest.raises(PathError, match="path"):
        split_path(path)


@pytest.mark.parametrize("path", [b"a", b"a/b", b"...", b"..a", b"a..", b" ", b"\xff", b"-", b"~", b"a\\b", b"x" * 255])
def test_other_names_are_names(path: bytes) -> None:
    """Linux knows two characters that can't stand in a name; nothing else is special."""
    assert split_path(path) == tuple(path.split(b"/"))


@given(st.binary())
def test_an_accepted_path_has_no_way_up_or_out(path: bytes) -> None:
    """Whatever is asked for."""
    try:
        names = split_path(path)
    except PathError:
        return
    assert b"/".join(names) == path
    assert all(0 < len(name) <= 255 and name not in (b".", b"..") and b"\0" not in name for name in names)


@pytest.mark.parametrize(
    "entry",
    [
        FileEntry(b"a/\xff", "file", 2**40, 1_700_000_000_123_456_789, DIGEST),
        FileEntry(b"d", "directory", 0, -1),
        FileEntry(b"l", "link", 5, 0, target=b"/\xff\n"),
        FileEntry(b"m", "file", 5, 0, DIGEST, 0o7751, False, -5),
        FileEntry(b"s", "other", 0, 2**62),
    ],
)
def test_an_entry_comes_back(entry: FileEntry) -> None:
    """Every field, for each kind."""
    assert wire.parse_entry(wire.pack_entry(entry)) == entry


@given(st.binary(max_size=300))
def test_no_bytes_are_taken_for_an_entry_outside(payload: bytes) -> None:
    """A helper that lies can name nothing that split_path() refuses, and brings nothing down."""
    try:
        entry = wire.parse_entry(payload)
    except WireError:
        return
    split_path(entry.path)
    assert len(entry.digest) in (0, 32)
    assert entry.mode <= 0o7777
    assert len(entry.target) <= 4096
    assert not entry.target or entry.kind == "link"


@pytest.mark.parametrize(
    "payload",
    [
        wire.pack_entry(FileEntry(b"f", "file", 1, 0, target=b"a")),
        wire.pack_entry(FileEntry(b"f", "link", 1, 0, target=b"a" * 4097)),
        wire.pack_entry(FileEntry(b"f", "link", 1, 0, target=b"aaa"))[:-2],
        wire.pack_entry(FileEntry(b"f", "file", 1, 0, DIGEST))[:-2],
        b"\0\xff" + wire.pack_entry(FileEntry(b"f", "file", 1, 0))[2:],
        b"\4" + wire.pack_entry(FileEntry(b"f", "file", 1, 0))[1:],
        wire.pack_entry(FileEntry(b"../f", "file", 1, 0)),
    ],
    ids=["target of a file", "long target", "short target", "short digest", "mode", "kind", "path"],
)
def test_an_entry_that_can_not_be_is_refused(payload: bytes) -> None:
    """Each field has its bounds."""
    with pytest.raises(WireError):
        wire.parse_entry(payload)


@given(st.binary(max_size=20))
def test_no_bytes_bring_the_small_parsers_down(payload: bytes) -> None:
    """An end and a problem are themselves or refused."""
    assert wire.parse_problem(payload) in Problem
    try:
        count, is_cut = wire.parse_end(payload)
    except WireError:
        return
    assert wire.pack_end(count, is_cut=is_cut) == payload or payload[-1] > 1


def test_a_frame_longer_than_agreed_is_refused() -> None:
    """A length is no reason to wait for a gigabyte."""
    assert wire.parse_header(wire.HEADER.pack(wire.DATA, wire.FRAME_BYTES)) == (wire.DATA, wire.FRAME_BYTES)
    with pytest.raises(WireError):
        wire.parse_header(wire.HEADER.pack(wire.DATA, wire.FRAME_BYTES + 1))


def test_requests_come_back() -> None:
    """With paths of any bytes."""
    assert wire.parse_list(wire.pack_list(b"\xff/a", wants_digests=True)) == (b"\xff/a", True, wire.MAX_DEPTH)
    for depth, kept in ((0, 1), (1, 1), (7, 7), (255, wire.MAX_DEPTH)):
        assert wire.parse_list(wire.pack_list(b"", wants_digests=False, depth=depth)) == (b"", False, kept)
    assert wire.parse_stat(wire.pack_stat(b"\xff", wants_digest=True)) == (b"\xff", True)
    assert wire.parse_move(wire.pack_move(b"a/\xff", b"\xfeb", replaces=True)) == (b"a/\xff", b"\xfeb", True)
    assert wire.parse_watch(wire.pack_watch(b"\xff", 7)) == (b"\xff", 7)
    assert wire.parse_watch(b"") == (b"", 1)
    for change in ("created", "changed", "deleted"):
        found = FileEntry(b"\xff", "file", 1, 2)
        assert wire.parse_change(wire.pack_change(change, found)) == (change, found)
    for payload in (b"", b"\3" + wire.pack_entry(FileEntry(b"f", "file", 1, 2)), b"\0", b"\0x"):
        with pytest.raises(WireError):
            wire.parse_change(payload)
    assert wire.parse_mode(wire.pack_mode(b"\xff", 0o7644)) == (b"\xff", 0o644)
    assert wire.parse_write(wire.pack_write(b"\xff", 2**40)) == (b"\xff", 2**40, False)
    assert wire.parse_write(wire.pack_write(b"\xff", 1, is_gzip=True)) == (b"\xff", 1, True)
    assert wire.parse_part(wire.pack_part(5, 7)) == (5, 7, False)
    assert wire.parse_part(wire.pack_part(5, 7, may_pack=True)) == (5, 7, True)
    for is_gzip in (True, False):
        assert wire.parse_packing(wire.pack_packing(is_gzip=is_gzip)) is is_gzip
    for payload in (b"", b"\2", b"\0\0"):
        with pytest.raises(WireError):
            wire.parse_packing(payload)
    assert wire.parse_delete(wire.pack_delete(b"x", is_recursive=False)) == (b"x", False)
    assert wire.parse_problem(wire.failed(Problem.FULL)[wire.HEADER.size :]) is Problem.FULL

"""Which bytes a Range header asks for, and whether a client has a file already."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.edge.byte_ranges import Unsatisfiable, Version, wanted_part

TIME_NS = 1_700_000_000_000_000_000
OLD = Version(10, TIME_NS, TIME_NS / 1e9 + 5)
NEW = Version(10, TIME_NS, TIME_NS / 1e9 + 0.5)
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("", None),
        ("bytes=0-0", range(1)),
        ("bytes=0-", range(10)),
        ("Bytes= 2-99 ", range(2, 10)),
        ("bytes=9-" + "9" * 5000, range(9, 10)),
        ("bytes=-1", range(9, 10)),
        ("bytes=-99", range(10)),
        ("bytes=-" + "9" * 5000, range(10)),
        ("bytes=007-08", range(7, 9)),
        ("bytes=5-4", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=\u0661-", None),
        ("bytes 0-1", None),
        ("items=0-1", None),
        ("bytes=0-1" + " " * 10_000, range(2)),
        ("bytes=" + "0" * 10_000 + "-", None),
        ("bytes=" + "1-2," * 100_000, None),
    ],
)
def test_a_single_range_is_taken_and_everything_else_is_the_whole(header: str | None, part: range | None) -> None:
    """As the RFC allows; numbers of any length are numbers."""
    assert wanted_part(header, 10) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-11", "bytes=" + "9" * 5000 + "-", "bytes=-0", "bytes=-000"])
def test_a_range_beyond_the_end_is_refused(header: str) -> None:
    """Also the last no bytes."""
    with pytest.raises(Unsatisfiable):
        wanted_part(header, 10)


def test_an_empty_file_has_no_part() -> None:
    """Its last bytes are all of it."""
    assert wanted_part("bytes=-5", 0) is None
    with pytest.raises(Unsatisfiable):
        wanted_part("bytes=0-", 0)


@given(st.text(max_size=20), st.integers(0, 100))
def test_any_header_has_an_answer(text: str, size: int) -> None:
    """No part is outside the file."""
    for header in (text, f"bytes={text}"):
        try:
            part = wanted_part(header, size)
        except Unsatisfiable:
            continue
        assert part is None or 0 <= part.start < part.stop <= size


def test_a_file_that_has_just_changed_has_a_weak_tag() -> None:
    """It could change again at the same time and size, so nothing is continued by it."""
    assert OLD.tag == '"17979cfe362a0000-a"'
    assert NEW.tag == f"W/{OLD.tag}"
    assert OLD.modified == DATE
    for known in (OLD.tag, DATE):
        assert OLD.may_be_continued({"If-Range": known})
        assert not NEW.may_be_continued({"If-Range": known})
    assert not NEW.may_be_continued({"If-Range": NEW.tag})
    assert not OLD.may_be_continued({"If-Range": '"other"'})
    assert NEW.may_be_continued({})


@pytest.mark.parametrize("modified_ns", [-(2**63), -1, 0, 2**63 - 1])
def test_code_can_give_a_file_any_time(modified_ns: int) -> None:
    """Those that a date can't show are shown as the nearest that it can."""
    version = Version(2**64 - 1, modified_ns, 0.0)
    assert version.modified.endswith("GMT")
    assert version.tag.removeprefix("W/").isascii()
    assert version.is_known({"If-None-Match": version.tag})


@pytest.mark.parametrize(
    ("headers", "is_known"),
    [
        ({}, False),
        ({"If-None-Match": "*"}, True),
        ({"If-None-Match": OLD.tag}, True),
        ({"If-None-Match": f'"a", W/{OLD.tag}'}, True),
        ({"If-None-Match": '"a"'}, False),
        ({"If-None-Match": OLD.tag.strip('"')}, False),
        ({"If-None-Match": '"' * 100_000}, False),
        ({"If-None-Match": '"a"', "If-Modified-Since": DATE}, False),
        ({"If-Modified-Since": DATE}, True),
        ({"If-Modified-Since": "Tue, 14 Nov 2023 22:13:21 GMT"}, True),
        ({"If-Modified-Since": "Tue, 14 Nov 2023 22:13:19 GMT"}, False),
        ({"If-Modified-Since": "Tue, 14 Nov 2023 22:13:20"}, True),
        ({"If-Modified-Since": "yesterday"}, False),
        ({"If-Modified-Since": "Tue, 14 Nov 99999999999999999999 22:13:20 GMT"}, False),
        ({"If-Modified-Since": "Tue, 14 Nov 2023 22:13:20 +9999999"}, False),
    ],
)
def test_a_client_that_has_a_file_is_told_so(headers: dict[str, str], *, is_known: bool) -> None:
    """By its tags first, else by its time."""
    assert OLD.is_known(headers) is is_known

"""Other names of the work directory."""

from __future__ import annotations

import pytest

from kernels.work_aliases import DEFAULT, MOST, find_fault


@pytest.mark.parametrize(
    "aliases", [(), DEFAULT, ("/data",), ("/mnt/data", "/mnt/other", "/srv/a.b-c_d"), ("/root", "/home/user")]
)
def test_paths_that_kernels_do_not_have_can_be_aliases(aliases: tuple[str, ...]) -> None:
    """Several may lie in one directory."""
    assert find_fault(aliases) == ""


@pytest.mark.parametrize(
    "aliases",
    [
        ("data",),
        ("/",),
        ("/mnt/",),
        ("/mnt/../etc",),
        ("/.hidden",),
        ("/a b",),
        ("/a\0",),
        ("/" + "a" * 65,),
        ("/a" * 9,),
        ("/usr/data",),
        ("/work",),
        ("/tmp/x",),
        ("/proc",),
        ("/a", "/a"),
        ("/a", "/a/b"),
        tuple(f"/a{number}" for number in range(MOST + 1)),
    ],
)
def test_all_others_are_refused_with_the_reason(aliases: tuple[str, ...]) -> None:
    """What is there already is never covered, and nothing is made inside the work directory."""
    assert find_fault(aliases)

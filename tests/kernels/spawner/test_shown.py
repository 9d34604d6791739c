"""Directories of added packages: shown only when they are what they seem to be."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from kernels.contract import Level
from kernels.sandbox import root
from kernels.sandbox.extra_dir import ExtraDir
from kernels.spawner.loop import Loop
from kernels.spawner.shown import showable
from kernels.spawner.zygotes import Nursery


def shown(paths: Iterable[Path | str], uid: int) -> list[str]:
    """What is shown of *paths*."""
    found = showable([str(path) for path in paths], uid)
    for extra in found:
        assert os.path.samestat(os.fstat(extra.fd), os.stat(extra.source))
        assert not os.get_inheritable(extra.fd)
        extra.close()
    return [extra.source for extra in found]


def test_a_directory_of_the_right_owner_is_shown(tmp_path: Path) -> None:
    """By its own path, absolute and without links."""
    own, other = os.getuid(), os.getuid() + 1
    assert shown([tmp_path], own) == [str(tmp_path)]
    assert shown([tmp_path], -1) == [str(tmp_path)]
    assert shown([tmp_path], other) == []


def test_no_link_leads_the_spawner_elsewhere(tmp_path: Path) -> None:
    """The gateway owns the link, not what lies behind it; the same for a link on the way."""
    hidden = tmp_path / "hidden"
    (hidden / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(hidden)
    (tmp_path / "file").write_text("")
    wrong = ["link", "link/inner", "hidden/../hidden", "file", "absent", "hidden\0", "x" * 5000]
    assert shown([*(f"{tmp_path}/{name}" for name in wrong), "relative", ""], -1) == []
    assert shown([hidden / "inner"], -1) == [str(hidden / "inner")]


def test_what_is_not_shown_is_not_kept_open(tmp_path: Path) -> None:
    """Nor is what later zygotes show no more: a gateway may add packages as often as it likes."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    nursery = Nursery(Loop(), root.RootSpec("/usr/bin/python3", "/app"), Level.L1)
    before = os.listdir("/proc/self/fd")
    for name in ("a", "b", "a"):
        nursery.show(showable([f"{tmp_path}/{name}"], -1))
        assert nursery.extra_dirs() == (f"{tmp_path}/{name}",)
    assert showable([str(tmp_path)], os.getuid() + 1) == ()
    nursery.show(())
    assert os.listdir("/proc/self/fd") == before


def test_a_directory_is_recognized_and_another_one_in_its_place_is_not(tmp_path: Path) -> None:
    """Also when it was removed, and Linux had its number to give away."""
    (tmp_path / "site").mkdir()
    extra = ExtraDir.open(f"{tmp_path}/site")
    os.close(extra.find_below("/"))
    for _ in range(50):
        (tmp_path / "site").rmdir()
        (tmp_path / "site").mkdir()
        try:
            os.close(extra.find_below("/"))
        except OSError as error:
            assert "another directory" in str(error)
        else:
            raise AssertionError("another directory was taken for the first one")
    extra.close()

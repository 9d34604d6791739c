"""Directories of added packages: shown only when they are what they seem to be."""

from __future__ import annotations

import os
from pathlib import Path

from kernels.spawner.zygotes import showable


def test_a_directory_of_the_right_owner_is_shown(tmp_path: Path) -> None:
    """By its own path, absolute and without links."""
    own, other = os.getuid(), os.getuid() + 1
    assert showable([str(tmp_path)], own) == [str(tmp_path)]
    assert showable([str(tmp_path)], -1) == [str(tmp_path)]
    assert showable([str(tmp_path)], other) == []


def test_no_link_leads_the_spawner_elsewhere(tmp_path: Path) -> None:
    """The gateway owns the link, not what lies behind it; the same for a link on the way."""
    hidden = tmp_path / "hidden"
    (hidden / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(hidden)
    (tmp_path / "file").write_text("")
    wrong = ["link", "link/inner", "hidden/../hidden", "file", "absent"]
    assert showable([str(tmp_path / name) for name in wrong] + ["relative"], -1) == []
    assert showable([str(hidden / "inner")], -1) == [str(hidden / "inner")]

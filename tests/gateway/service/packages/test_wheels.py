"""Wheels that would run code by themselves, or reach outside their directory, are not placed."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest

from gateway.core.errors import Forbidden, TooLarge
from gateway.service.packages.wheels import check_tree, inspect_wheel, make_read_only, normalise

LIMIT = 1_000_000


def wheel(folder: Path, *entries: str, mode: int = 0o100644, content: str = "x = 1\n") -> Path:
    """A zip file with *entries*."""
    path = folder / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return path


def test_a_plain_wheel_is_accepted(tmp_path: Path) -> None:
    """Modules, packages, data and metadata; its unpacked size is told."""
    names = ["six.py", "pkg/__init__.py", "pkg/data.json", "pkg/json.py", "some-1.0.dist-info/RECORD"]
    assert inspect_wheel(wheel(tmp_path, *names), LIMIT, 10) == 5 * 6


@pytest.mark.parametrize(
    "name",
    [
        *("evil.pth", "pkg/evil.PTH", "some-1.0.data/purelib/evil.pth", "some-1.0.data/data/evil.pth"),
        *("sitecustomize.py", "usercustomize/__init__.py", "sitecustomize.cpython-311-x86_64-linux-gnu.so"),
        *("json.py", "os/__init__.py", "ssl.abi3.so", "some-1.0.data/platlib/random.py"),
        *("../evil.py", "pkg/../../evil.py", "/etc/evil.py", "pkg\\evil.py", "a\nb.py", "C:evil.py"),
    ],
)
def test_what_runs_at_start_or_stands_before_python_is_refused(tmp_path: Path, name: str) -> None:
    """The file is named."""
    with pytest.raises(Forbidden):
        inspect_wheel(wheel(tmp_path, "fine.py", name), LIMIT, 10)


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644])
def test_links_and_devices_are_refused(tmp_path: Path, mode: int) -> None:
    """A wheel holds files."""
    with pytest.raises(Forbidden):
        inspect_wheel(wheel(tmp_path, "link.py", mode=mode), LIMIT, 10)


def test_a_bomb_is_refused_unopened(tmp_path: Path) -> None:
    """By the size it declares, and by its number of files."""
    with pytest.raises(TooLarge, match="when unpacked"):
        inspect_wheel(wheel(tmp_path, "big.py", content="0" * (LIMIT + 1)), LIMIT, 10)
    with pytest.raises(TooLarge, match="more than 10 files"):
        inspect_wheel(wheel(tmp_path, *(f"m{n}.py" for n in range(11))), LIMIT, 10)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + b"\0" * 40])
def test_what_is_no_wheel_is_refused(tmp_path: Path, content: bytes) -> None:
    """With its name."""
    path = tmp_path / "some-1.0-py3-none-any.whl"
    path.write_bytes(content)
    with pytest.raises(Forbidden, match=r"some-1\.0"):
        inspect_wheel(path, LIMIT, 10)


def test_what_was_placed_is_looked_at_again(tmp_path: Path) -> None:
    """A link or a start file that got there some other way is found."""
    (tmp_path / "fine").mkdir()
    (tmp_path / "fine" / "m.py").write_text("")
    check_tree(tmp_path)
    (tmp_path / "fine" / "x").symlink_to("/etc/passwd")
    with pytest.raises(Forbidden):
        check_tree(tmp_path)
    (tmp_path / "fine" / "x").unlink()
    (tmp_path / "a.pth").write_text("")
    with pytest.raises(Forbidden):
        check_tree(tmp_path)


def test_what_is_placed_can_be_read_by_all_and_written_by_none(tmp_path: Path) -> None:
    """Kernels run under users of their own."""
    (tmp_path / "p").mkdir(mode=0o700)
    (tmp_path / "p" / "m.py").write_text("")
    (tmp_path / "p" / "m.py").chmod(0o600)
    make_read_only(tmp_path)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, *tmp_path.rglob("*"))}
    assert modes == {tmp_path.name: 0o555, "p": 0o555, "m.py": 0o444}
    os.chmod(tmp_path / "p", 0o755)
    tmp_path.chmod(0o755)


@pytest.mark.parametrize("name", ["Scikit_Learn", "scikit.learn", "scikit--learn", "SCIKIT-_.learn"])
def test_names_are_compared_as_pep_503_says(name: str) -> None:
    """One package, one name."""
    assert normalise(name) == "scikit-learn"

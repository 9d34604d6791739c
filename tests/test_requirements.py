"""The lock files hold everything, exactly, and say nothing of where it is fetched."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def entries(lock: Path) -> list[str]:
    """Each requirement with its hashes, on one line."""
    return lock.read_text().replace("\\\n", " ").splitlines()


def name(requirement: str) -> str:
    """The normalized name of the package in *requirement*."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def wanted(lock: str) -> list[str]:
    """The direct dependencies in pyproject.toml that belong into *lock*."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    return [*project["project"]["dependencies"], *groups["build"]] if lock == "gateway" else groups[lock]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_package_is_pinned_and_has_hashes(lock: Path) -> None:
    """pip refuses anything else in hash mode; an address would tie users to one index."""
    for entry in entries(lock):
        assert re.match(r"[a-z0-9-]+==[^ ]+ .*--hash=sha256:[0-9a-f]{64}", entry), entry
        assert "://" not in entry


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_the_lock_has_every_direct_dependency(lock: Path) -> None:
    """pyproject.toml was changed without `make lock`."""
    locked = {name(entry) for entry in entries(lock)}
    assert {name(requirement) for requirement in wanted(lock.stem)} <= locked


def versions(lock: str) -> dict[str, str]:
    """Package to version in *lock*."""
    words = (entry.split(maxsplit=1)[0] for entry in entries(ROOT / f"requirements/{lock}.txt"))
    return {package: version for package, _, version in (word.partition("==") for word in words)}


def test_gateway_and_kernels_speak_the_same_protocol() -> None:
    """What both environments have of Jupyter's messaging is the same version."""
    gateway, kernels = versions("gateway"), versions("kernels")
    for package in ("jupyter-client", "pyzmq", "tornado", "traitlets"):
        assert gateway[package] == kernels[package]

"""The lock files hold everything, exactly, and say nothing of where it is fetched."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import zmq

ROOT = Path(__file__).resolve().parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
NPM_LOCKS = sorted((ROOT / "tests" / "contract").glob("*/package-lock.json"))


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


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda lock: lock.parent.name)
def test_every_npm_package_is_pinned_and_has_a_hash(lock: Path) -> None:
    """As with pip: no address ties anybody to one registry."""
    packages = json.loads(lock.read_text())["packages"]
    for where, entry in packages.items():
        assert not where or entry["integrity"].startswith("sha512-"), where
        assert "resolved" not in entry, where


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


FIXED_IN = {
    "fonttools": (4, 60, 2),  # CVE-2025-66034
    "h11": (0, 16, 0),  # CVE-2025-43859
    "jinja2": (3, 1, 6),  # CVE-2025-27516
    "jupyter-core": (5, 8, 1),  # CVE-2025-30167
    "pillow": (11, 3, 0),  # CVE-2025-48379
    "requests": (2, 32, 4),  # CVE-2024-47081
    "setuptools": (78, 1, 1),  # CVE-2025-47273
    "tornado": (6, 5, 0),  # CVE-2025-47287
    "urllib3": (2, 5, 0),  # CVE-2025-50181
}
"""Faults that were public when this was written. What is found later `make audit` tells, where it can ask."""
LIBZMQ = (4, 3, 5)
"""CVE-2021-20234 and CVE-2021-20235 reach a client through what a hostile peer sends; pyzmq brings the library along."""


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_no_lock_goes_back_behind_a_known_fault(lock: Path) -> None:
    """An older version than the one that mended a fault is not taken, whatever the ranges allow."""
    pinned = versions(lock.stem)
    numbers = {
        package: tuple(map(int, re.findall(r"\d+", pinned[package])[:3])) for package in FIXED_IN if package in pinned
    }
    assert not {package: pinned[package] for package, number in numbers.items() if number < FIXED_IN[package]}


def test_the_library_below_pyzmq_is_new_enough() -> None:
    """No package of ours names its version."""
    assert zmq.zmq_version_info() >= LIBZMQ

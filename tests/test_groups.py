"""Tests that share a gateway are run by one worker."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.groups import LONGEST, group_of
from tests.source import ROOT

FILES = ("tests/gateway/core/test_fold.py", "tests/gateway/core/test_event_log.py")


@pytest.mark.parametrize(
    ("one", "other", "are_together"),
    [
        ("promises/test_corpus.py::test_a[root-R11-used]", "promises/test_soak.py::test_b[root]", True),
        ("promises/test_corpus.py::test_a[root-R11-used]", "promises/test_corpus.py::test_a[user-R11-used]", False),
        ("promises/test_static.py::test_a[gateway/app.py]", "promises/test_static.py::test_b[root]", False),
        ("api/test_life.py::test_a[x]", "notebooks/test_tutorials.py::test_b", True),
        ("api/test_life.py::test_a", "contract/test_jupyter.py::test_b", False),
        ("levels/test_levels.py::test_a[container-user]", "levels/test_levels.py::test_b[container-user]", True),
        ("levels/test_levels.py::test_a[container-user]", "levels/test_levels.py::test_a[user]", False),
        ("levels/test_apart.py::test_a[root]", "levels/test_apart.py::test_b", True),
        ("kernels/python/test_math.py::test_a", "kernels/node/test_body.py::test_b[root]", True),
        ("kernels/sandbox/test_root.py::test_a", "kernels/sandbox/test_steps.py::test_a", False),
    ],
)
def test_what_shares_a_gateway_is_one_group(one: str, other: str, are_together: bool) -> None:
    """Otherwise it would be started once a worker, or once a test."""
    assert (group_of(f"tests/{one}") == group_of(f"tests/{other}")) is are_together


def test_the_longest_groups_are_there() -> None:
    """One that was renamed would come last, and keep one worker when all others are done."""
    paths = (str(path.relative_to(ROOT / "tests")) for path in (ROOT / "tests").rglob("test_*.py"))
    cases = ("promises/test_corpus.py::test_a[root]", "promises/test_corpus.py::test_a[user]")
    assert set(LONGEST) <= {group_of(f"tests/{place}") for place in (*paths, *cases)}


@pytest.mark.process
def test_a_group_stays_with_one_worker() -> None:
    """As pytest-xdist tells who ran what: with other versions of pytest its own groups have come apart unnoticed."""
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup", *FILES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=True)
    ran = set(re.findall(r"^\[(gw\d)\] .*PASSED (\S+?)::", done.stdout, re.MULTILINE))
    assert sorted(path for _, path in ran) == sorted(FILES), done.stdout
    assert len({worker for worker, _ in ran}) == 2

"""What waits for something that will come has one patience: a test fails for what is wrong, not for a slow machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import HANG_S
from tests.source import ROOT

ELSEWHERE = ("tests/bench/", "tests/contract/clients/")
"""Programs that measure, and those of other people's environments, which import nothing of ours."""
LAST = re.compile(r"asyncio\.timeout|asyncio\.wait_for|.*\.settimeout")
BY_NAME = re.compile(r"subprocess\.run|.*HTTPConnection|.*create_connection")
"""Calls whose last argument is a patience, and those that have one as `timeout`."""
LIKELY = re.compile(r"timeout|wait_for|monotonic\(\) \+ \d")


def patiences(text: str) -> Iterator[tuple[int, float]]:
    """The lines of *text* that give something up, and after how many seconds."""
    for node in ast.walk(ast.parse(text)):
        given: list[ast.expr] = []
        if isinstance(node, ast.Call) and LAST.fullmatch(ast.unparse(node.func)):
            given = node.args[-1:]
        elif isinstance(node, ast.Call) and BY_NAME.fullmatch(ast.unparse(node.func)):
            given = [keyword.value for keyword in node.keywords if keyword.arg == "timeout"]
        elif isinstance(node, ast.BinOp) and ast.unparse(node.left) == "time.monotonic()":
            given = [node.right]
        for value in given:
            if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
                yield value.lineno, value.value


def impatient(path: Path) -> list[str]:
    """Where the module at *path* gives up too soon; less than a second is what a test is about."""
    text = path.read_text()
    if not LIKELY.search(text):
        return []
    return [f"{path.relative_to(ROOT)}:{line}: {seconds} s" for line, seconds in patiences(text) if 1 <= seconds < HANG_S]


def test_patience_is_written_once() -> None:
    """In HANG_S, which is longer than anything takes on a busy machine."""
    paths = sorted((ROOT / "tests").rglob("*.py"))
    ours = [path for path in paths if not str(path.relative_to(ROOT)).startswith(ELSEWHERE)]
    assert not [place for path in ours for place in impatient(path)]


@pytest.mark.parametrize(
    "text",
    [
        "async def f():\n    async with asyncio.timeout({}): pass",
        "deadline = time.monotonic() + {}",
        "subprocess.run([], check=True, timeout={})",
        "http.client.HTTPConnection('h', 1, timeout={})",
        "one.settimeout({})",
        "asyncio.wait_for(event.wait(), {})",
    ],
)
def test_impatience_is_found(text: str) -> None:
    """In each of its forms."""
    assert [seconds for _, seconds in patiences(text.format(5))] == [5]
    assert not list(patiences(text.format("HANG_S")))

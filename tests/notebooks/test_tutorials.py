"""The tutorials are what they seem: valid notebooks whose outputs are those the gateway gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live import Gateway
from tests.notebooks.tutorials import TUTORIALS, execute, read, stable

each_tutorial = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
TOTAL_BYTES = 400 * 1024


@each_tutorial
def test_a_tutorial_is_shown_as_it_ran(path: Path) -> None:
    """Every cell of code has run, in order, each once."""
    counts = [cell["execution_count"] for cell in read(path)["cells"] if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_the_tutorials_are_small() -> None:
    """They are cloned with everything else."""
    assert len(TUTORIALS) == 4
    assert sum(path.stat().st_size for path in TUTORIALS) < TOTAL_BYTES


@pytest.mark.kernel
@each_tutorial
def test_a_tutorial_gives_the_outputs_it_shows(gateway: Gateway, path: Path) -> None:
    """Executed again: the same texts, tables and errors, and a picture where there is one (`make notebooks` renews them)."""
    shown = read(path)
    assert list(stable(execute(gateway, shown))) == list(stable(shown))

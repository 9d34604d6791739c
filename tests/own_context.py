"""A plugin of pytest: coverage notes for each line which module of tests ran it.

Examples made at random do not run: whether they reach a line would be luck.
"""

from __future__ import annotations

from collections.abc import Generator

import coverage
import pytest
from hypothesis import Phase, settings

settings.register_profile("own", phases=[Phase.explicit])
settings.load_profile("own")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What *item* runs belongs to its module; what an import runs belongs to none."""
    running = coverage.Coverage.current()
    assert running is not None, "run this under coverage"
    running.switch_context(item.path.stem)
    try:
        return (yield)
    finally:
        running.switch_context("")

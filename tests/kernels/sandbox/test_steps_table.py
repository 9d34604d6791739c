"""SECURITY.md says of each isolation step what the code says."""

from __future__ import annotations

from tests.kernels.sandbox.steps_table import table, written


def test_the_table_of_steps_is_made_from_the_list() -> None:
    """SECURITY.md is stale: run `python -m tests.kernels.sandbox.steps_table`."""
    assert written() == table()

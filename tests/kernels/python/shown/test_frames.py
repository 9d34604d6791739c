"""Frames and series as last values: as JSON however long they are, and as text with all columns while there is room."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel
IMPORTS = "import numpy as np, pandas as pd\n"


def shown(kernel: TestKernel, expression: str) -> tuple[Any, Any, bool]:
    """The JSON of *expression*, its metadata, and whether the run says that something was cut."""
    reply = kernel.run(IMPORTS + expression)
    (result,) = reply.of("execute_result")
    return result["data"].get("application/json"), result["metadata"], reply.metadata["omega"]["truncated"]


def test_a_frame_that_fits_is_whole(shared: TestKernel) -> None:
    """And nothing is said of it."""
    rows, metadata, is_cut = shown(shared, "pd.DataFrame({'a': range(4000)})")
    assert rows == [{"a": number} for number in range(4000)]
    assert (metadata, is_cut) == ({}, False)


def test_a_long_frame_has_its_first_rows(shared: TestKernel) -> None:
    """As many as there is room for values; the metadata say how many, and of how many."""
    rows, metadata, is_cut = shown(shared, "pd.DataFrame({'a': range(1_000_000), 'b': 0.5})")
    assert rows == [{"a": number, "b": 0.5} for number in range(2048)]
    assert (metadata, is_cut) == ({"cut": {"application/json": {"rows": 2048, "of": 1_000_000}}}, True)


def test_a_frame_of_long_texts_has_as_many_rows_as_have_room(shared: TestKernel) -> None:
    """64 KiB of text, to the row."""
    rows, metadata, _ = shown(shared, "pd.DataFrame({'a': ['x' * 1000] * 3000})")
    assert len(rows) == 65
    assert metadata == {"cut": {"application/json": {"rows": 65, "of": 3000}}}
    rows, metadata, is_cut = shown(shared, "pd.DataFrame({'a': ['x' * 100_000] * 3})")
    assert (rows, is_cut) == ([], True)
    assert metadata == {"cut": {"application/json": {"rows": 0, "of": 3}}}


def test_a_long_series_has_its_first_values(shared: TestKernel) -> None:
    """With their labels."""
    found, metadata, _ = shown(shared, "pd.Series(range(10, 100_010))")
    count = metadata["cut"]["application/json"]["rows"]
    assert found == {"index": list(range(count)), "values": list(range(10, 10 + count))}
    assert 2000 < count < 8192
    assert metadata["cut"]["application/json"]["of"] == 100_000


def test_what_has_no_form_in_json_has_none_in_part(shared: TestKernel) -> None:
    """A frame of own objects, two columns of one name, and a value that is no frame."""
    for expression in (
        "pd.DataFrame({'a': [object()] * 9000})",
        "pd.DataFrame(np.zeros((9000, 2)), columns=['a', 'a'])",
        "list(range(100_000))",
    ):
        assert shown(shared, expression) == (None, {}, False)


def test_a_wide_frame_keeps_its_columns_in_text(shared: TestKernel) -> None:
    """While there is room; what code has set is left as it is."""
    text = shared.run(f"{IMPORTS}pd.DataFrame(np.zeros((2, 30)))").result["text/plain"]
    assert "..." not in text
    assert [word for line in text.splitlines() for word in line.split() if word.isdigit()][:31] == [
        *map(str, range(15)), "0", "1", *map(str, range(15, 29)),
    ]  # fmt: skip
    assert "..." in shared.run(f"{IMPORTS}pd.DataFrame(np.zeros((50, 300)))").result["text/plain"]
    long = shared.run(f"{IMPORTS}pd.DataFrame(np.zeros((100_000, 30)))").result["text/plain"]
    assert all(f" {column} " in long for column in range(29))
    assert len(long) < 8192
    chosen = shared.run(
        f"{IMPORTS}pd.set_option('display.max_columns', 4)\npd.DataFrame(np.zeros((2, 30)))", variables=False
    )
    assert "..." in chosen.result["text/plain"]
    shared.run("pd.reset_option('display.max_columns')")

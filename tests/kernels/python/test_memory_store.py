"""Magics that keep something between sessions work for as long as the kernel lives."""

from __future__ import annotations

import pytest

from kernels.python.memory_store import MemoryStore
from tests.kernels.python.harness import TestKernel


def test_it_answers_as_the_database_of_ipython_does() -> None:
    """Its keys take a pattern."""
    store = MemoryStore({"autorestore/x": 1, "dhist": []})
    assert store.keys() == ["autorestore/x", "dhist"]
    assert store.keys("autorestore/*") == ["autorestore/x"]


@pytest.mark.kernel
def test_cd_changes_the_directory_and_comes_back(shared: TestKernel) -> None:
    """As everywhere, it says where to; ``%cd -`` and bookmarks know where one was."""
    start = shared.run("import os; os.getcwd()").result["text/plain"].strip("'")
    assert shared.run("%cd /tmp").text() == "/tmp\n"
    assert shared.run("os.getcwd()").result["text/plain"] == "'/tmp'"
    assert shared.run("%bookmark here\n%cd /\n%cd here").text().splitlines()[-1] == "/tmp"
    assert shared.run(f"%cd {start}").text().rstrip("\n").endswith(start.rpartition("/")[2])
    assert shared.run("%cd -").text() == "/tmp\n"
    shared.run(f"%cd -q {start}")


@pytest.mark.kernel
def test_names_are_stored_and_restored(shared: TestKernel) -> None:
    """In the same kernel."""
    shared.run("%load_ext storemagic\nkept = 5\n%store kept\ndel kept\n%store -r kept")
    assert shared.run("kept").result["text/plain"] == "5"
    assert "kept" in shared.run("%store").text()

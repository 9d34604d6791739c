"""The tables: the same ones, whichever part of the gateway opens the database, and whatever else it has imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.service import schema
from tests.live import HANG_S
from tests.source import modules

ROOT = Path(__file__).parents[3]
OPENERS = {
    "the database": "from gateway.service.database import Database; opened = Database(url)",
    "the history": "from gateway.service.history.store import Retention, Store; opened = Store(url, Retention())",
    "the keys": "from gateway.service.keys.store import KeyStore; opened = KeyStore(url); opened.prepare = opened.list",
}
"""In a process of its own, so that nothing is imported but what each of them needs."""


@pytest.mark.parametrize("opener", OPENERS)
def test_all_tables_are_made_whoever_opens_the_database(tmp_path: Path, opener: str) -> None:
    """A check of the tables that knew only the imported ones would let another program's table pass."""
    script = f"""
import sqlite3
url = "sqlite:///{tmp_path}/h.db"
{OPENERS[opener]}
opened.prepare()
opened.close()
found = sqlite3.connect("{tmp_path}/h.db").execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
print(*(name for name, in found))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, timeout=HANG_S, capture_output=True, text=True
    )
    assert done.stdout.split() == sorted(schema.metadata.tables)


def test_every_table_stands_in_the_schema() -> None:
    """A table that is defined in another module exists only once that is imported."""
    definers = {
        source.path
        for source in modules()
        for node in source.nodes()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Table", "MetaData")
    }
    assert definers == {"gateway/service/schema.py"}


def test_columns_that_came_later_are_columns_of_the_schema() -> None:
    """And none came with a version that is not out."""
    for version, added in schema.ADDED_COLUMNS.items():
        assert version <= schema.SCHEMA_VERSION
        for table, column in added:
            assert schema.metadata.tables[table].c[column].nullable

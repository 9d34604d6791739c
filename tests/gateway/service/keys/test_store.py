"""The table of keys: what is in it, what is not, and that two processes can use it at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.core.limits import KeyLimits
from gateway.core.request import RunRecord
from gateway.service.database import DatabaseError
from gateway.service.history.store import Retention, Store
from gateway.service.keys.keys import hash_token, make_token
from gateway.service.keys.store import KeyRefused, KeyStore
from gateway.service.schema import keys
from tests.live import HANG_S

ROOT = Path(__file__).parents[4]

LIMITS = KeyLimits(
    requests_per_minute=6,
    concurrent_runs=2,
    memory_mb=128,
    processes=8,
    cpu_cores=0.5,
    max_timeout_s=2.5,
    output_bytes=4096,
    sessions=3,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "h.db"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    made = KeyStore(f"sqlite:///{path}")
    yield made
    made.close()


def test_a_key_is_read_as_it_was_added(store: KeyStore) -> None:
    """With all its limits, or with none."""
    expires_utc = time.time() + 60
    store.add("ci", hash_token("a"), expires_utc, LIMITS)
    store.add("plain", hash_token("b"), None, KeyLimits())
    _, (first, second) = store.valid()
    assert (first.name, first.token_sha256, first.expires_utc, first.limits) == ("ci", hash_token("a"), expires_utc, LIMITS)
    assert (second.name, second.expires_utc, second.limits) == ("plain", None, KeyLimits())
    assert first.id != second.id


def test_no_token_is_in_the_file(store: KeyStore, path: Path) -> None:
    """Not in the tables and not in SQLite's other files; only hashes."""
    token = make_token()
    store.add("ci", hash_token(token), None, KeyLimits())
    files = [file.read_bytes() for file in path.parent.iterdir()]
    assert any(hash_token(token) in data for data in files)
    assert not any(token.encode() in data or token.removeprefix("omega_").encode() in data for data in files)


def test_a_revoked_key_is_listed_and_not_valid(store: KeyStore) -> None:
    """Its name can be used again; the new key has another id, and so another history."""
    store.add("ci", hash_token("a"), None, KeyLimits())
    store.revoke("ci")
    assert store.valid()[1] == []
    store.add("ci", hash_token("b"), time.time() - 1, KeyLimits())
    revoked, expired = store.list()
    assert [record.state_at(time.time()) for record in (revoked, expired)] == ["revoked", "expired"]
    assert revoked.key.id != expired.key.id


def test_a_name_that_is_taken_is_refused(store: KeyStore) -> None:
    """Also that of the stored token's key."""
    store.add("ci", hash_token("a"), None, KeyLimits())
    with pytest.raises(KeyRefused, match="a key named ci exists already"):
        store.add("ci", hash_token("b"), None, KeyLimits())
    with pytest.raises(KeyRefused, match="the name default belongs"):
        store.add("default", hash_token("c"), None, KeyLimits())
    assert len(store.list()) == 1


def test_what_is_not_there_can_not_be_revoked(store: KeyStore) -> None:
    """A misspelt name must not pass for done."""
    with pytest.raises(KeyRefused, match="no key named ci"):
        store.revoke("ci")
    store.add("ci", hash_token("a"), None, KeyLimits())
    store.revoke("ci")
    with pytest.raises(KeyRefused, match="no key named ci"):
        store.revoke("ci")


def test_every_change_is_counted(store: KeyStore, path: Path) -> None:
    """So that a gateway sees it by reading one number; what failed is none."""
    other = KeyStore(f"sqlite:///{path}")
    counts = [other.count_changes()]
    store.add("ci", hash_token("a"), None, KeyLimits())
    counts.append(other.count_changes())
    store.revoke("ci")
    counts.append(other.count_changes())
    with pytest.raises(KeyRefused):
        store.revoke("ci")
    assert counts == [0, 1, 2]
    assert other.valid() == (2, [])
    other.close()


def test_other_processes_see_each_change_and_take_nothing_away(store: KeyStore, path: Path) -> None:
    """A gateway has the database open twice; commands that come and go must not remove SQLite's log from under it."""
    history = Store(f"sqlite:///{path}", Retention())
    history.prepare()
    assert store.count_changes() == 0
    again = KeyStore(f"sqlite:///{path}")
    for number in range(1, 4):
        script = f"""
from gateway.core.limits import KeyLimits
from gateway.service.keys.store import KeyStore
store = KeyStore("sqlite:///{path}")
store.add("k{number}", bytes([{number}]) * 32, None, KeyLimits())
store.close()
"""
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=HANG_S)
        assert (store.count_changes(), again.count_changes()) == (number, number)
        history.insert([RunRecord(f"r{number}", "default", time.time(), "python", "1", True, 0.1)])
    again.close()
    history.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM omega_runs").fetchall() == [(3,)]
    connection.close()


def test_a_database_of_the_first_version_gets_the_tables(path: Path) -> None:
    """Its history stays; an older gateway, which knows no keys, is told that it is too old."""
    history = Store(f"sqlite:///{path}", Retention())
    history.prepare()
    history.close()
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE omega_keys; DROP TABLE omega_key_changes; UPDATE omega_schema SET version = 1")
    connection.close()
    store = KeyStore(f"sqlite:///{path}")
    store.add("ci", hash_token("a"), None, KeyLimits())
    assert len(store.valid()[1]) == 1
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version FROM omega_schema").fetchall() == [(3,)]
    connection.close()


def test_a_database_of_the_second_version_gets_the_new_limit(path: Path) -> None:
    """Its keys stay as they are, without a limit of their own on sessions; new ones can have one."""
    store = KeyStore(f"sqlite:///{path}")
    store.add("old", hash_token("a"), None, replace(LIMITS, sessions=None))
    store.close()
    with sqlite3.connect(path) as connection:
        connection.executescript("ALTER TABLE omega_keys DROP COLUMN sessions; UPDATE omega_schema SET version = 2")
    connection.close()
    store = KeyStore(f"sqlite:///{path}")
    store.add("new", hash_token("b"), None, LIMITS)
    limits = {key.name: key.limits for key in store.valid()[1]}
    assert limits == {"old": replace(LIMITS, sessions=None), "new": LIMITS}
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version FROM omega_schema").fetchall() == [(3,)]
    connection.close()


def test_a_file_that_is_no_database_is_told(path: Path) -> None:
    """In one sentence."""
    path.write_bytes(b"not a database" * 500)
    with pytest.raises(DatabaseError, match="can't be used"):
        KeyStore(f"sqlite:///{path}").list()


def test_postgresql_has_the_same_table() -> None:
    """The rule that a name is unique among keys not revoked is a partial index there too."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's
    table = str(CreateTable(keys).compile(dialect=dialect))
    assert "token_sha256 BYTEA NOT NULL" in table
    (index,) = keys.indexes
    assert "UNIQUE INDEX omega_keys_by_name ON omega_keys (name) WHERE revoked_utc IS NULL" in str(
        CreateIndex(index).compile(dialect=dialect)
    )

"""What a history makes of the database it finds, and whom it lets read its own."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from gateway.service.database import DatabaseError
from gateway.service.history.history import History
from gateway.service.history.store import Retention, Store
from gateway.service.keys import store as _keys  # noqa: F401 - the same database has its tables
from tests.gateway.service.history.history_world import Tally, ids, opened, record, url_of


@pytest.mark.parametrize("content", [b"this is no database" * 500, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_database_stops_the_start_with_one_sentence(tmp_path: Path, content: bytes) -> None:
    """It names the file and what to do."""
    (tmp_path / "h.db").write_bytes(content)
    with pytest.raises(DatabaseError, match=r"h\.db can't be used: it is damaged or not a SQLite database; restore it"):
        History.open(url_of(tmp_path / "h.db"), Retention(), Tally())


async def test_damage_inside_the_file_is_found_at_the_start(tmp_path: Path) -> None:
    """Not only a broken header."""
    async with opened(tmp_path / "h.db") as history:
        for number in range(200):
            history.record(record(number, code="x" * 2000))
    data = bytearray((tmp_path / "h.db").read_bytes())
    data[4096 * 10 : 4096 * 40] = os.urandom(4096 * 30)
    (tmp_path / "h.db").write_bytes(data)
    with pytest.raises(DatabaseError, match="damaged"):
        History.open(url_of(tmp_path / "h.db"), Retention(), Tally())


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A gateway that is put back to an older version must not write into what it does not know."""
    async with opened(tmp_path / "h.db"):
        pass
    connection = sqlite3.connect(tmp_path / "h.db")
    connection.execute("UPDATE omega_schema SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(DatabaseError, match="has schema version 99, this gateway supports 3"):
        History.open(url_of(tmp_path / "h.db"), Retention(), Tally())


def opened_files() -> list[str]:
    """The paths of the files that this process has open."""
    places = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    return [os.readlink(place) for place in places if os.path.lexists(place)]


@pytest.mark.parametrize(
    "made", ["omega_runs (x)", "omega_runs AS SELECT 1 AS seq, 2 AS code", "omega_keys (name)", "omega_schema (other)"]
)
def test_somebody_elses_table_stops_the_start(tmp_path: Path, made: str) -> None:
    """It would serve, and neither keep nor show a run; what is in the table stays as it is."""
    with contextlib.closing(sqlite3.connect(tmp_path / "h.db")) as connection:
        connection.execute(f"CREATE TABLE {made}")
        before = list(connection.execute("SELECT sql FROM sqlite_master"))
    with pytest.raises(DatabaseError, match=r"h\.db has a table omega_\w+ that is not the gateway's"):
        History.open(url_of(tmp_path / "h.db"), Retention(), Tally())
    assert not [path for path in opened_files() if path.startswith(str(tmp_path))]
    with contextlib.closing(sqlite3.connect(tmp_path / "h.db")) as connection:
        assert list(connection.execute("SELECT sql FROM sqlite_master")) == before


def test_other_tables_beside_the_gateways_are_nobodys_business(tmp_path: Path) -> None:
    """A database may be shared."""
    with contextlib.closing(sqlite3.connect(tmp_path / "h.db")) as connection:
        connection.execute("CREATE TABLE runs (x)")
    store = Store(url_of(tmp_path / "h.db"), Retention())
    store.prepare()
    store.close()


def test_a_directory_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    """One sentence with the path."""
    with pytest.raises(DatabaseError, match=r"gone/h\.db can't be opened: No such file or directory"):
        History.open(url_of(tmp_path / "gone" / "h.db"), Retention(), Tally())


async def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Code of all callers is in them; -wal and -shm too."""
    before = os.umask(0)
    try:
        async with opened(tmp_path / "h.db") as history:
            history.record(record(1))
            await ids(history)
            modes = _modes(tmp_path)
    finally:
        os.umask(before)
    assert set(modes) >= {"h.db", "h.db-wal"}
    assert set(modes.values()) == {0o600}


def _modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}

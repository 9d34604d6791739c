"""The gateway's one database, SQLite or PostgreSQL: connecting, and making its tables. Everything here blocks."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, insert, inspect, make_url, select, text, update
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from gateway.core.errors import CommandFailed
from gateway.service.schema import ADDED_COLUMNS, SCHEMA_VERSION, metadata
from gateway.service.schema import version as _version

BUSY_TIMEOUT_MS = 1000
CONNECT_TIMEOUT_S = 5
CREATION_LOCK = 0x6F6D656761
"""Any number: it keeps two gateways from creating the tables of one PostgreSQL database at once."""
PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PROTOCOL")


class DatabaseError(CommandFailed):
    """The database can't be used at all; the message is one sentence for the operator."""


class Database:
    """One database with all tables of the schema, opened at its first use."""

    def __init__(self, url: str) -> None:
        self._engine = _connectable(url)
        self._prepared = False

    def prepare(self) -> None:
        """Make the tables or check that they are ours. Raises SQLAlchemyError when that may work later."""
        if self._prepared:
            return
        try:
            with self._engine.begin() as connection:
                _check_health(connection)
                _create(connection)
        except DatabaseError:
            self.close()
            raise
        except DBAPIError as error:
            if _is_passing(error):
                raise
            self.close()
            raise DatabaseError(f"{_name(self._engine)} can't be used: {explain(error)}") from None
        self._prepared = True

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection whose statements take effect together, or not at all."""
        self.prepare()
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with."""
        self.prepare()
        with self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def explain(error: SQLAlchemyError) -> str:
    """What went wrong, in words for the operator; no parameters and no password are in it."""
    cause = getattr(error, "orig", None) or error
    if str(getattr(cause, "sqlite_errorname", "")).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "it is damaged or not a SQLite database; restore it or move it away"
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__


def _connectable(url: str) -> Engine:
    """An engine that has not connected yet; parameters (callers' code) stay out of its error messages."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            _create_private(Path(parsed.database or ""))
            options: dict[str, Any] = {"timeout": BUSY_TIMEOUT_MS / 1000}
        else:
            options = {"connect_timeout": CONNECT_TIMEOUT_S, "options": "-c statement_timeout=10000"}
        engine = create_engine(parsed, hide_parameters=True, pool_pre_ping=True, connect_args=options)
    except ModuleNotFoundError as error:
        advice = "install it beside the gateway, as in .venv/bin/pip install 'psycopg[binary]'"
        raise DatabaseError(f"database_url needs the package {error.name}: {advice}") from None
    except (ArgumentError, ValueError):
        raise DatabaseError("database_url is not a valid database URL") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _tune)
    return engine


def _create_private(path: Path) -> None:
    """Create the file readable by its owner alone; SQLite gives its -wal and -shm files the same rights.

    A file that is there is not even opened: closing it again would take away every lock SQLite has on it in this process
    (sqlite.org/howtocorrupt.html, 2.2), and the next process to close the database would remove the log from under us.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise DatabaseError(f"the database {path} can't be opened: {error.strerror}") from None


def _tune(connection: sqlite3.Connection, _record: object) -> None:
    """WAL: readers and writer do not wait for each other; a killed process loses nothing committed."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA journal_size_limit=67108864")


def _check_health(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    verdict = str(connection.execute(text("PRAGMA quick_check(1)")).scalar())
    if verdict != "ok":
        reason = verdict.splitlines()[-1]
        raise DatabaseError(f"{_name(connection.engine)} is damaged ({reason}): restore it or move it away")


def _create(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": CREATION_LOCK})
    found = _check_tables(connection)
    # Every version so far only added tables and columns that may be empty, so that making what is missing is the whole step.
    metadata.create_all(connection)
    for version in range((found or SCHEMA_VERSION) + 1, SCHEMA_VERSION + 1):
        for table, column in ADDED_COLUMNS.get(version, ()):
            _add_column(connection, metadata.tables[table], column)
    if found is None:
        connection.execute(insert(_version).values(version=SCHEMA_VERSION))
    elif found < SCHEMA_VERSION:
        connection.execute(update(_version).values(version=SCHEMA_VERSION))


def _check_tables(connection: Connection) -> int | None:
    """Their version, None if there are none. Raises DatabaseError, with nothing changed, for another program's."""
    there = {name: _columns(connection, name) for name in metadata.tables if inspect(connection).has_table(name)}
    _check_table(connection, _version, there)
    found = connection.execute(select(_version.c.version)).scalar() if _version.name in there else None
    if found is not None and not 1 <= found <= SCHEMA_VERSION:
        raise DatabaseError(
            f"{_name(connection.engine)} has schema version {found}, this gateway supports {SCHEMA_VERSION}: "
            "use the gateway that wrote it, or another database_url"
        )
    for ours in metadata.tables.values():
        _check_table(connection, ours, there)
    return found


def _check_table(connection: Connection, table: Table, there: dict[str, set[str]]) -> None:
    """Raise DatabaseError if a table of this name is another program's: the gateway could keep nothing in it."""
    wanted, added = (
        set(table.c.keys()),
        {column for pairs in ADDED_COLUMNS.values() for name, column in pairs if name == table.name},
    )
    if table.name in there and not wanted - added <= there[table.name] <= wanted:
        name = _name(connection.engine)
        raise DatabaseError(f"{name} has a table {table.name} that is not the gateway's: use another database_url")


def _columns(connection: Connection, table: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table)}


def _add_column(connection: Connection, table: Table, name: str) -> None:
    """Add the column *name* to a *table* that was made before there was one; a table made just now has it."""
    if name in _columns(connection, table.name):
        return
    kind = table.c[name].type.compile(connection.dialect)
    connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {name} {kind}"))


def _name(engine: Engine) -> str:
    return f"the database {engine.url.render_as_string(hide_password=True)}"


def _is_passing(error: DBAPIError) -> bool:
    """Whether SQLite was only locked or its disk full: that ends by itself and must not stop a start."""
    return str(getattr(error.orig, "sqlite_errorname", "")).startswith(PASSING)

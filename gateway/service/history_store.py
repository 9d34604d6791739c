"""The history's tables and the SQL on them, for SQLite and PostgreSQL. Everything here blocks."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    insert,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from gateway.service.runner import Record

SCHEMA_VERSION = 1
CODE_BYTES = 64 * 1024
BUSY_TIMEOUT_MS = 1000
CONNECT_TIMEOUT_S = 5
DAY_S = 86_400
CREATION_LOCK = 0x6F6D656761
"""Any number: it keeps two gateways from creating the tables of one PostgreSQL database at once."""
PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PROTOCOL")

_metadata = MetaData()
_version = Table("omega_schema", _metadata, Column("version", Integer, nullable=False))
# SQLite counts rows up by itself only for INTEGER keys.
_Serial = BigInteger().with_variant(Integer, "sqlite")
_runs = Table(
    "omega_runs",
    _metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("run_id", String(64), nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("started_utc", Double, nullable=False),
    Column("task", String(32), nullable=False),
    Column("code", Text, nullable=False),
    Column("success", Boolean, nullable=False),
    Column("wall_s", Double, nullable=False),
    Index("omega_runs_by_key", "key_id", "seq"),
    Index("omega_runs_by_start", "started_utc"),
)

_FIELDS = tuple(item.name for item in fields(Record))


class HistoryError(Exception):
    """The history database can't be used at all; the message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How much history is kept; what is older or more is removed."""

    max_rows: int = 10_000
    max_days: float = 30.0


class Store:
    """One history database."""

    def __init__(self, url: str, retention: Retention) -> None:
        self._engine = _connectable(url)
        self._retention = retention
        self._prepared = False

    def prepare(self) -> None:
        """Make the tables or check that they are ours. Raises SQLAlchemyError when that may work later."""
        if self._prepared:
            return
        try:
            with self._engine.begin() as connection:
                _check_health(connection)
                _create(connection)
        except DBAPIError as error:
            if _is_passing(error):
                raise
            raise HistoryError(f"{_name(self._engine)} can't be used: {_reason(error)}") from None
        self._prepared = True

    def insert(self, records: Sequence[Record]) -> None:
        """Write *records* in one transaction: all of them or none."""
        self.prepare()
        with self._engine.begin() as connection:
            connection.execute(insert(_runs), [_as_row(record) for record in records])

    def prune(self) -> int:
        """Remove what is too old or too much; answers how many runs that were."""
        self.prepare()
        oldest_utc = time.time() - self._retention.max_days * DAY_S
        last_kept = select(_runs.c.seq).order_by(_runs.c.seq.desc()).offset(self._retention.max_rows).limit(1)
        with self._engine.begin() as connection:
            aged = connection.execute(delete(_runs).where(_runs.c.started_utc < oldest_utc)).rowcount
            surplus = connection.execute(delete(_runs).where(_runs.c.seq <= last_kept.scalar_subquery())).rowcount
        return aged + surplus

    def newest(self, key_id: str, limit: int) -> list[Record]:
        """The last *limit* runs of this key, newest first."""
        self.prepare()
        wanted = [_runs.c[name] for name in _FIELDS]
        query = select(*wanted).where(_runs.c.key_id == key_id).order_by(_runs.c.seq.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [Record(**row._mapping) for row in connection.execute(query)]

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def fit(value: str, limit_bytes: int) -> str:
    """*value* as text any database takes (no NUL, no lone surrogates), cut with a marker at *limit_bytes*."""
    # Cut by characters first: this runs in the event loop, and the value may be many megabytes.
    head = value[:limit_bytes].replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "backslashreplace")
    if len(head) <= limit_bytes and len(value) <= limit_bytes:
        return head.decode()
    kept = head[:limit_bytes].decode(errors="ignore")
    return f"{kept}\n… [cut here: {len(value)} characters in all]"


def _as_row(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _FIELDS}


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
        raise HistoryError(f"database_url needs the package {error.name}: install omega-gateway[postgres]") from None
    except (ArgumentError, ValueError):
        raise HistoryError("database_url is not a database URL that can be read") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _tune)
    return engine


def _create_private(path: Path) -> None:
    """Create the file readable by its owner alone; SQLite gives its -wal and -shm files the same rights."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise HistoryError(f"the history database {path} can't be opened: {error.strerror}") from None


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
        raise HistoryError(f"{_name(connection.engine)} is damaged ({reason}): restore it or move it away")


def _create(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": CREATION_LOCK})
    _metadata.create_all(connection)
    found = connection.execute(select(_version.c.version)).scalar()
    if found is None:
        connection.execute(insert(_version).values(version=SCHEMA_VERSION))
    elif found != SCHEMA_VERSION:
        raise HistoryError(
            f"{_name(connection.engine)} has schema version {found}, this gateway knows {SCHEMA_VERSION}: "
            "use the gateway that wrote it, or another database_url"
        )


def _name(engine: Engine) -> str:
    return f"the history database {engine.url.render_as_string(hide_password=True)}"


def _is_passing(error: DBAPIError) -> bool:
    """Whether SQLite was only locked or its disk full: that ends by itself and must not stop a start."""
    return str(getattr(error.orig, "sqlite_errorname", "")).startswith(PASSING)


def _reason(error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    if str(getattr(cause, "sqlite_errorname", "")).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "it is damaged or not a SQLite database; restore it or move it away"
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else type(cause).__name__

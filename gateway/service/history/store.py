"""The SQL on the history's table, for SQLite and PostgreSQL. Everything here blocks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import delete, insert, select

from gateway.core.request import RunRecord
from gateway.service.database import Database
from gateway.service.schema import runs

CODE_BYTES = 64 * 1024
DAY_S = 86_400

_FIELDS = tuple(item.name for item in fields(RunRecord))


@dataclass(frozen=True, slots=True)
class Retention:
    """How much history is kept; what is older or more is removed."""

    max_rows: int = 10_000
    max_days: float = 30.0


class Store:
    """One history database."""

    def __init__(self, url: str, retention: Retention) -> None:
        self._database = Database(url)
        self._retention = retention

    def prepare(self) -> None:
        """Make the tables or check that they are ours. Raises SQLAlchemyError when that may work later."""
        self._database.prepare()

    def insert(self, records: Sequence[RunRecord]) -> None:
        """Write *records* in one transaction: all of them or none."""
        with self._database.transaction() as connection:
            connection.execute(insert(runs), [_as_row(record) for record in records])

    def prune(self) -> int:
        """Remove what is too old or too much; answers how many runs that were."""
        oldest_utc = time.time() - self._retention.max_days * DAY_S
        last_kept = select(runs.c.seq).order_by(runs.c.seq.desc()).offset(self._retention.max_rows).limit(1)
        with self._database.transaction() as connection:
            aged = connection.execute(delete(runs).where(runs.c.started_utc < oldest_utc)).rowcount
            surplus = connection.execute(delete(runs).where(runs.c.seq <= last_kept.scalar_subquery())).rowcount
        return aged + surplus

    def newest(self, key_id: str, limit: int) -> list[RunRecord]:
        """The last *limit* runs of this key, newest first."""
        wanted = [runs.c[name] for name in _FIELDS]
        query = select(*wanted).where(runs.c.key_id == key_id).order_by(runs.c.seq.desc()).limit(limit)
        with self._database.reading() as connection:
            return [RunRecord(**row._mapping) for row in connection.execute(query)]

    def close(self) -> None:
        """Close every connection."""
        self._database.close()


def fit(value: str, limit_bytes: int) -> str:
    """*value* as text any database takes (no NUL, no lone surrogates), cut with a marker at *limit_bytes*."""
    # Cut by characters first: this runs in the event loop, and the value may be many megabytes.
    head = value[:limit_bytes].replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "backslashreplace")
    if len(head) <= limit_bytes and len(value) <= limit_bytes:
        return head.decode()
    kept = head[:limit_bytes].decode(errors="ignore")
    return f"{kept}\n… [cut here: {len(value)} characters in all]"


def _as_row(record: RunRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _FIELDS}

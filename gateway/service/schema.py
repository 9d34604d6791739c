"""The tables of the gateway's database, all of them, and the version that they make up together.

They stand in one place because a start checks and makes all of them, whichever feature opens the database.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from gateway.core.limits import KeyLimits

SCHEMA_VERSION: Final = 3
"""1: runs. 2: keys beside them, which older gateways would not respect. 3: how many sessions a key may have."""
ADDED_COLUMNS: Final = {3: (("omega_keys", "sessions"),)}
"""Columns that came to a table later, by the version that brought them: (table, column)."""

metadata = MetaData()
version = Table("omega_schema", metadata, Column("version", Integer, nullable=False))

# SQLite counts rows up by itself only for INTEGER keys.
_Serial = BigInteger().with_variant(Integer, "sqlite")
runs = Table(
    "omega_runs",
    metadata,
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

keys = Table(
    "omega_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("token_sha256", LargeBinary(32), nullable=False, unique=True),
    Column("created_utc", Double, nullable=False),
    Column("expires_utc", Double),
    Column("revoked_utc", Double),
    *(Column(item.name, Double if "float" in str(item.type) else Integer) for item in fields(KeyLimits)),
)
is_live = keys.c.revoked_utc.is_(None)
"""The condition that a key is not revoked."""
# A name is free again once its key is revoked. The history goes by id, so the next key of that name does not see it.
Index("omega_keys_by_name", keys.c.name, unique=True, sqlite_where=is_live, postgresql_where=is_live)

# One row: a gateway reads this number every second, and the keys only when the number has changed.
key_changes = Table("omega_key_changes", metadata, Column("counted", Integer, nullable=False))

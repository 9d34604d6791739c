"""The table of named keys and the SQL on it. Everything here blocks, and none of it has a token, only hashes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from gateway.core.limits import KeyLimits
from gateway.service.database import Database, metadata
from gateway.service.keys.keys import DEFAULT_KEY_ID, Key

_keys = Table(
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
_is_live = _keys.c.revoked_utc.is_(None)
# A name is free again once its key is revoked; the history goes by id, so the next key of the name does not see it.
Index("omega_keys_by_name", _keys.c.name, unique=True, sqlite_where=_is_live, postgresql_where=_is_live)
# One row: a gateway reads this number every second, and the keys only when it is another one.
_changes = Table("omega_key_changes", metadata, Column("counted", Integer, nullable=False))

_LIMITS = tuple(item.name for item in fields(KeyLimits))


class KeyRefused(Exception):
    """The key can't be added or revoked; the message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A named key as it is listed; times are seconds since the epoch."""

    key: Key
    created_utc: float
    revoked_utc: float | None

    def state_at(self, now_utc: float) -> str:
        """valid, expired or revoked."""
        if self.revoked_utc is not None:
            return "revoked"
        return "valid" if self.key.expires_utc is None or now_utc < self.key.expires_utc else "expired"


class KeyStore:
    """The named keys in one database."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def add(self, name: str, token_sha256: bytes, expires_utc: float | None, limits: KeyLimits) -> None:
        """A new key; raises KeyRefused when one that is not revoked has its name."""
        if name == DEFAULT_KEY_ID:
            raise KeyRefused("the name default belongs to the stored token: use another name")
        row = {
            "id": secrets.token_hex(8),
            "name": name,
            "token_sha256": token_sha256,
            "created_utc": time.time(),
            "expires_utc": expires_utc,
            **{limit: getattr(limits, limit) for limit in _LIMITS},
        }
        try:
            with self._database.transaction() as connection:
                connection.execute(insert(_keys).values(row))
                _note_change(connection)
        except IntegrityError:
            raise KeyRefused(f"a key named {name} exists already: revoke it first, or use another name") from None

    def revoke(self, name: str) -> None:
        """The key *name* is not valid any more; raises KeyRefused when there is none."""
        with self._database.transaction() as connection:
            done = connection.execute(update(_keys).where(_keys.c.name == name, _is_live).values(revoked_utc=time.time()))
            if not done.rowcount:
                if name == DEFAULT_KEY_ID:
                    raise KeyRefused("the default key can't be revoked: `omega token rotate` replaces its token")
                raise KeyRefused(f"there is no key named {name}: `omega token list` lists the keys")
            _note_change(connection)

    def list(self) -> Sequence[KeyRecord]:
        """Every key there is or was, the oldest first."""
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(select(_keys).order_by(_keys.c.created_utc, _keys.c.id))]

    def valid(self) -> tuple[int, Sequence[Key]]:
        """The keys that are not revoked, and the number of the change that they are as of."""
        with self._database.reading() as connection:
            # In this order: a change in between is read now and seen as new the next time.
            count = _count(connection)
            return count, [_read(row).key for row in connection.execute(select(_keys).where(_is_live))]

    def count_changes(self) -> int:
        """A number that is another one after every change."""
        with self._database.reading() as connection:
            return _count(connection)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()


def _count(connection: Connection) -> int:
    # The sum: two gateways that note the first change at once make a row each.
    return int(connection.execute(select(func.sum(_changes.c.counted))).scalar() or 0)


def _note_change(connection: Connection) -> None:
    if not connection.execute(update(_changes).values(counted=_changes.c.counted + 1)).rowcount:
        connection.execute(insert(_changes).values(counted=1))


def _read(row: Row[tuple[object, ...]]) -> KeyRecord:
    found = row._mapping
    limits = KeyLimits(**{limit: found[limit] for limit in _LIMITS})
    key = Key(found["id"], found["name"], bytes(found["token_sha256"]), found["expires_utc"], limits)
    return KeyRecord(key, found["created_utc"], found["revoked_utc"])

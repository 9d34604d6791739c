"""The SQL on the table of named keys. Everything here blocks, and none of it has a token, only hashes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.core.errors import CommandFailed
from gateway.core.limits import KeyLimits
from gateway.service.database import Database
from gateway.service.keys.keys import DEFAULT_KEY_ID, Key
from gateway.service.schema import is_live, key_changes, keys

_LIMITS = tuple(item.name for item in fields(KeyLimits))


class KeyRefused(CommandFailed):
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
                connection.execute(insert(keys).values(row))
                _note_change(connection)
        except IntegrityError:
            raise KeyRefused(f"a key named {name} exists already: revoke it first, or use another name") from None

    def revoke(self, name: str) -> None:
        """Revoke the key *name*; raises KeyRefused if there is none."""
        with self._database.transaction() as connection:
            done = connection.execute(update(keys).where(keys.c.name == name, is_live).values(revoked_utc=time.time()))
            if not done.rowcount:
                if name == DEFAULT_KEY_ID:
                    raise KeyRefused("the default key can't be revoked: `omega token rotate` replaces its token")
                raise KeyRefused(f"there is no key named {name}: `omega token list` lists the keys")
            _note_change(connection)

    def list(self) -> Sequence[KeyRecord]:
        """Every key there is or was, the oldest first."""
        with self._database.reading() as connection:
            return [_read(row) for row in connection.execute(select(keys).order_by(keys.c.created_utc, keys.c.id))]

    def valid(self) -> tuple[int, Sequence[Key]]:
        """The keys that are not revoked, and the number of the change that they are as of."""
        with self._database.reading() as connection:
            # In this order: a change in between is read now and seen as new the next time.
            count = _count(connection)
            return count, [_read(row).key for row in connection.execute(select(keys).where(is_live))]

    def count_changes(self) -> int:
        """A number that is another one after every change."""
        with self._database.reading() as connection:
            return _count(connection)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()


def _count(connection: Connection) -> int:
    # The sum: two gateways that note the first change at once make a row each.
    return int(connection.execute(select(func.sum(key_changes.c.counted))).scalar() or 0)


def _note_change(connection: Connection) -> None:
    if not connection.execute(update(key_changes).values(counted=key_changes.c.counted + 1)).rowcount:
        connection.execute(insert(key_changes).values(counted=1))


def _read(row: Row[tuple[object, ...]]) -> KeyRecord:
    found = row._mapping
    limits = KeyLimits(**{limit: found[limit] for limit in _LIMITS})
    key = Key(found["id"], found["name"], bytes(found["token_sha256"]), found["expires_utc"], limits)
    return KeyRecord(key, found["created_utc"], found["revoked_utc"])

"""Whose token it is. Of named keys only hashes exist here and in the database; no question to a key asks the database.

A token is 256 bits from the system's random source, so its SHA-256 can be neither guessed nor found in a table: a slow
password hash would add nothing but tens of milliseconds to every request. A token the operator chose (OMEGA_TOKEN) is
compared in the same way; `omega token` is the way to have only random ones.

Looking a token up takes the same time whether or not, and how far, it is right: what is looked for is its hash, which a
caller can't steer, and the last comparison is a constant-time one that also happens when nothing was found.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from gateway.core.errors import Unavailable
from gateway.core.kernel_limits import FILE_SYSTEMS, KERNEL_LIMITS, kernel_limit
from gateway.core.limits import KeyLimits
from gateway.core.request import Caller
from kernels.contract import Policy

DEFAULT_KEY_ID = "default"
TOKEN_PREFIX = "omega_"
"""Programs that look for leaked secrets find tokens by it."""
TOKEN_BYTES = 32
STALE_S = 300.0
"""After so long without a look into the database a revoked key could go on for ever: named keys are then refused."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: who it stands for, the SHA-256 of its token, until when it is valid (seconds since the epoch), its limits."""

    id: str
    name: str
    token_sha256: bytes = field(repr=False)
    expires_utc: float | None = None
    limits: KeyLimits = field(default_factory=KeyLimits)

    @classmethod
    def of_token(cls, token: str, key_id: str = DEFAULT_KEY_ID, name: str = DEFAULT_KEY_ID) -> Key:
        """The key that *token* opens."""
        return cls(key_id, name, hash_token(token))


@dataclass(frozen=True, slots=True)
class Opened:
    """What is known of a hash."""

    sha256: bytes
    caller: Caller | None
    expires_utc: float
    is_named: bool


NOTHING = Opened(b"\0" * 32, None, math.inf, False)


class Keys:
    """All keys of this gateway: the default one, and the named ones as last read from the database."""

    def __init__(
        self,
        default: Key | None,
        policy: Policy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy or Policy()
        self._clock = clock
        self._wall_clock = wall_clock
        self._named: tuple[Key, ...] = ()
        self._read_at = -math.inf
        self._table: dict[bytes, Opened] = {}
        self._default = default
        self._index()

    def set_default(self, key: Key | None) -> None:
        """From here on *key* is the default one."""
        if key != self._default:
            self._default = key
            self._index()

    def set_named(self, keys: Iterable[Key]) -> None:
        """From here on exactly these named keys are valid."""
        self._named = tuple(keys)
        self._index()
        self.confirm()

    def confirm(self) -> None:
        """The named keys were found unchanged in the database just now."""
        self._read_at = self._clock()

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all keys."""
        return frozenset(opened.caller.key_id for opened in self._table.values() if opened.caller is not None)

    @property
    def valid_ids(self) -> frozenset[str]:
        """The ids of those that have not expired either."""
        now, known = self._wall_clock(), self._table.values()
        return frozenset(opened.caller.key_id for opened in known if opened.caller is not None and now < opened.expires_utc)

    def authenticate(self, token: str) -> Caller | None:
        """Who *token* belongs to, or None. Raises Unavailable when that can't be told, the database being out of reach."""
        presented = hash_token(token)
        found = self._table.get(presented, NOTHING)
        is_right = hmac.compare_digest(found.sha256, presented)
        return self._valid(found if is_right else NOTHING, is_default=is_right and not found.is_named)

    def caller_of(self, key_id: str) -> Caller | None:
        """Who has the key *key_id*, or None if it is no longer valid; raises as `authenticate` does."""
        known = self._table.values()
        found = next((opened for opened in known if opened.caller and opened.caller.key_id == key_id), NOTHING)
        return self._valid(found, is_default=found is not NOTHING and not found.is_named)

    def _valid(self, found: Opened, *, is_default: bool) -> Caller | None:
        if not is_default and self._clock() - self._read_at > STALE_S:
            raise Unavailable("The keys can't be read right now.", retry_after_s=5)
        return found.caller if self._wall_clock() < found.expires_utc else None

    def _index(self) -> None:
        table = {key.token_sha256: self._open(key, is_named=True) for key in self._named}
        if self._default is not None:
            table[self._default.token_sha256] = self._open(self._default, is_named=False)
        self._table = table

    def _open(self, key: Key, *, is_named: bool) -> Opened:
        caller = Caller(key.id, key.name, key.limits, policy_for(key.limits, self._policy))
        expires_utc = math.inf if key.expires_utc is None else key.expires_utc
        return Opened(key.token_sha256, caller, expires_utc, is_named)


def policy_for(limits: KeyLimits, policy: Policy) -> Policy | None:
    """The limits of the kernels of a key, None when they are the gateway's own *policy*.

    The file systems of a kernel are memory too: with less memory they get less, so that they stay below it.
    """
    own = {
        limit.policy: limit.scale(value)
        for limit in KERNEL_LIMITS
        if limit.key_about and (value := getattr(limits, limit.name)) is not None
    }
    share = min(1.0, own.get("memory_bytes", policy.memory_bytes) / policy.memory_bytes)
    files = {kernel_limit(name).policy: int(getattr(policy, kernel_limit(name).policy) * share) for name in FILE_SYSTEMS}
    made = replace(policy, **own, **files)  # type: ignore[arg-type]  # each is whole or not as its row says
    return None if made == policy else made


def make_token() -> str:
    """A new token, to be shown once."""
    return TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """The SHA-256 of *token*; any text has one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

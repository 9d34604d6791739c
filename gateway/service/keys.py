"""Whose token it is. Tokens are kept as hashes only, and comparing them takes the same time for every wrong one."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.service.runner import Caller

DEFAULT_KEY_ID = "default"


@dataclass(frozen=True, slots=True)
class Key:
    """One key: who it stands for, and the SHA-256 of its token (long random text, so no slow hash is needed)."""

    id: str
    name: str
    token_sha256: bytes

    @classmethod
    def of_token(cls, token: str, key_id: str = DEFAULT_KEY_ID, name: str = DEFAULT_KEY_ID) -> Key:
        """The key that *token* opens."""
        return cls(key_id, name, hash_token(token))


class Keys:
    """All keys of this gateway."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._callers = [(key.token_sha256, Caller(key.id, key.name)) for key in keys]

    async def authenticate(self, token: str) -> Caller | None:
        """Who *token* belongs to, or None."""
        presented = hash_token(token)
        found: Caller | None = None
        # Every key is looked at, also after a match, so that the time does not tell which one it was.
        for expected, caller in self._callers:
            if hmac.compare_digest(presented, expected):
                found = caller
        return found


def hash_token(token: str) -> bytes:
    """The SHA-256 of *token*; any text has one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

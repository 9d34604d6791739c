"""Links that open one file of one session for a short time, to whoever has them.

A link is signed (HMAC-SHA256) with a secret that this gateway makes at its start and keeps in memory alone: sessions end
with their gateway, and so do links. It names the key that asked for it, and ends with that key too. Nothing is kept for it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import Forbidden, Unauthorized
from gateway.core.files import Path
from gateway.core.request import Caller
from gateway.service.keys.admission import Admission

SECRET_BYTES: Final = 32
MAX_CHARS: Final = 1024
_FORM: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_CHARS}}}")
_PURPOSE: Final = b"download\0"
_HEAD: Final = struct.Struct("!QBB")
_MAC_BYTES: Final = hashlib.sha256().digest_size
_NOT_VALID: Final = "The link is not valid."


@dataclass(frozen=True, slots=True)
class FileLink:
    """A new link: *text* is what stands for the token in its address."""

    text: str
    expires_utc: float


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """What a link opens: a file of this session, with the rights of its owner."""

    caller: Caller
    session_id: str


class DownloadLinks:
    """Signs links and lets those in who have one."""

    def __init__(self, admission: Admission, *, wall_clock: Callable[[], float] = time.time) -> None:
        self._admission = admission
        self._wall_clock = wall_clock
        self._secret = secrets.token_bytes(SECRET_BYTES)

    def sign(self, caller: Caller, session_id: str, path: Path, life_s: float) -> FileLink:
        """A link to *path* in a session of *caller*."""
        expires_ms = int((self._wall_clock() + life_s) * 1000)
        key, session = caller.key_id.encode(), session_id.encode()
        claim = _HEAD.pack(expires_ms, len(key), len(session)) + key + session
        text = base64.urlsafe_b64encode(self._mac(claim, path) + claim).rstrip(b"=").decode()
        return FileLink(text, expires_ms / 1000)

    def admit(self, text: str, path: Path, address: str) -> OpenedLink:
        """What the link *text* opens at *path*; counts as a request of its key.

        Raises Unauthorized for what was never signed, Forbidden for what has expired, and TooManyRequests.
        """
        data = _decode(text)
        mac, claim = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(claim, path)):
            self._admission.refuse(address)
        expires_ms, key_bytes, session_bytes = _HEAD.unpack_from(claim)
        key, session = claim[_HEAD.size :][:key_bytes], claim[_HEAD.size + key_bytes :]
        if len(session) != session_bytes:
            self._admission.refuse(address)  # cut elsewhere between session and path
        if self._wall_clock() * 1000 >= expires_ms:
            raise Forbidden("The link has expired: ask for a new one.")
        return OpenedLink(self._admission.admit_key(key.decode()), session.decode())

    def _mac(self, claim: bytes, path: Path) -> bytes:
        return hmac.digest(self._secret, _PURPOSE + claim + path, "sha256")


def _decode(text: str) -> bytes:
    """The bytes of a link, long enough for all that is read of them; raises Unauthorized."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if _FORM.fullmatch(text) else b""
    except ValueError:
        data = b""
    if len(data) < _MAC_BYTES + _HEAD.size:
        raise Unauthorized(_NOT_VALID)
    return data

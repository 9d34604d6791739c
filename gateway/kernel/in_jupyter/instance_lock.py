"""Names for processes that start kernels but have no state directory: numbered places, one process each."""

from __future__ import annotations

import fcntl
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from gateway.core.errors import Unavailable

PLACES = 10_000


@dataclass(frozen=True, slots=True)
class Claim:
    """A name that no other process uses while *fd* is open. Its next user finds what the last one may have left."""

    instance: str
    fd: int

    def release(self) -> None:
        """Release it for another process."""
        os.close(self.fd)


def claim(folder: Path) -> Claim:
    """The first free place of *folder*, which is made where it is missing; raises Unavailable when there is none."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(PLACES):
            path = folder / f"{number}.lock"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            except BaseException:
                os.close(fd)
                raise
            return Claim(hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:10], fd)
    except OSError as error:
        raise Unavailable(f"{folder} can't be used for locks: {error.strerror}") from None
    raise Unavailable(f"all lock files in {folder} are in use")

"""A directory of another user that kernels see: opened once, and recognized from then on.

Its owner can replace it with a link or another directory at any time. So no path is followed through a link, and its
path counts only while it leads to the directory that was opened.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import Final

from kernels.sandbox import sysc

_NO_LINKS: Final = sysc.RESOLVE_NO_SYMLINKS | sysc.RESOLVE_NO_MAGICLINKS
_DIRECTORY: Final = os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class ExtraDir:
    """A host directory shown read-only. *source* is its path when *fd* was opened; the descriptor identifies it.

    While the descriptor is open, Linux does not reuse the directory's inode number.
    """

    source: str
    fd: int

    @classmethod
    def open(cls, source: str) -> ExtraDir:
        """The directory at the absolute path *source*; raises OSError, also for a link in the path."""
        if not os.path.isabs(source) or os.path.normpath(source) != source or "\0" in source:
            raise OSError(errno.EINVAL, "not an absolute path in its shortest form")
        return cls(source, sysc.openat2(sysc.AT_FDCWD, os.fsencode(source), os.O_RDONLY | _DIRECTORY, 0, _NO_LINKS))

    @property
    def owner(self) -> int:
        """The uid of its owner."""
        return os.fstat(self.fd).st_uid

    def find_below(self, place: str) -> int:
        """A descriptor of the same directory in the file systems seen at *place*; raises OSError when another one is there.

        A mount namespace made later has mounts of its own, and only a descriptor from inside it can be bound there.
        """
        below = os.open(place, os.O_PATH | _DIRECTORY)
        try:
            path = os.fsencode(self.source.lstrip("/"))
            found = sysc.openat2(below, path, os.O_PATH | _DIRECTORY, 0, _NO_LINKS | sysc.RESOLVE_BENEATH)
        finally:
            os.close(below)
        if not os.path.samestat(os.fstat(found), os.fstat(self.fd)):
            os.close(found)
            raise OSError(errno.ESTALE, f"{self.source} is another directory than the one that was opened")
        return found

    def bind(self, place: str, target: str) -> None:
        """Show it at the directory *target*, as it is found at *place*; raises OSError, and ends in the directory /."""
        found = self.find_below(place)
        try:
            os.fchdir(found)
            # Not by its path, which may lead elsewhere by now.
            sysc.mount(".", target, None, sysc.MS_BIND | sysc.MS_REC)
        finally:
            os.chdir("/")
            os.close(found)

    def close(self) -> None:
        """Close it; it can no longer be recognized."""
        os.close(self.fd)

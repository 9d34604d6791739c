"""Watches a directory for the files helper: it looks again and again, and tells what differs.

Not by inotify: that takes paths, which no filter can check, and would show a helper that was taken over what the host does
with shared files. A look goes only where a listing goes, and the time between looks grows with what they cost.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from kernels.files_helper.folder import TEMPORARY, EntryWalk
from kernels.filewire import Change, FileEntry

PERIOD_S: Final = 0.2
SHARE: Final = 20
"""A look takes at most one part in so many of the time."""


@dataclass(slots=True)
class DirectoryWatch:
    """The entries below *under*, as they were at the last look; *is_cut*: there are more than a listing has."""

    root: int
    under: bytes
    depth: int
    pause_s: float = PERIOD_S
    is_cut: bool = False
    _known: dict[bytes, FileEntry] = field(default_factory=dict)

    def begin(self) -> None:
        """Look for the first time. Raises OSError or FileRefused if there is no such directory."""
        self._known = self._look()

    def changes(self) -> Iterator[tuple[Change, FileEntry]]:
        """What differs from the last look: what went, innermost first, then what came and what is different.

        Nothing while there is more than a listing has: which part of it that shows is chance.
        """
        known, was_cut, self._known = self._known, self.is_cut, self._look()
        if was_cut or self.is_cut:
            return
        for path in sorted(known.keys() - self._known.keys(), reverse=True):
            yield "deleted", known[path]
        for path, entry in self._known.items():
            before = known.get(path)
            if before is None:
                yield "created", entry
            elif _differs(before, entry):
                yield "changed", entry

    def _look(self) -> dict[bytes, FileEntry]:
        began = time.monotonic()
        walk = EntryWalk(self.root, self.under, wants_digests=False, depth=self.depth)
        found = {entry.path: entry for entry in walk if not entry.path.rpartition(b"/")[2].startswith(TEMPORARY)}
        self.is_cut = walk.is_cut
        self.pause_s = max(PERIOD_S, SHARE * (time.monotonic() - began))
        return found


def _differs(before: FileEntry, now: FileEntry) -> bool:
    """Whether to tell: of a directory the mode alone, as its times change with all that is in it."""
    if before.kind == now.kind == "directory":
        return before.mode != now.mode
    return before != now

"""Finds the files that a run changed in its work directory, by a scan before and after; standard library only.

The kernel reports this about itself: user code can falsify it, which affects only its own answer. A scan is
bounded in entries, depth and time, so that a run in a full directory is not slowed down.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MAX_ENTRIES: Final = 2000
MAX_DEPTH: Final = 16
MAX_REPORTED: Final = 200
BUDGET_S: Final = 0.02
Mark = tuple[int, int, int]
"""Inode, time of the last change in nanoseconds, and size: one of them differs if a file was written or replaced."""


@dataclass(slots=True)
class Look:
    """Every regular file found, by its path relative to the work directory; *is_cut*: there may be more."""

    files: dict[bytes, Mark] = field(default_factory=dict)
    is_cut: bool = False


def mark(work_dir: str) -> Mark | None:
    """Something that differs once an entry of *work_dir* itself was created or deleted; None if it can't be told."""
    try:
        seen = os.stat(work_dir)
    except OSError:
        return None
    return seen.st_nlink, seen.st_mtime_ns, seen.st_size


def look(work_dir: str, hidden: str = "") -> Look:
    """A scan of the current files. Links are not followed; the directory *hidden* is skipped. Never raises OSError."""
    found, top = Look(), os.fsencode(work_dir)
    ends_at, entries = time.monotonic() + BUDGET_S, 0
    waiting = [(top, b"", MAX_DEPTH)]
    while waiting:
        folder, before, depth = waiting.pop()
        try:
            with os.scandir(folder) as items:
                for item in items:
                    entries += 1
                    if entries > MAX_ENTRIES or time.monotonic() > ends_at:
                        found.is_cut = True
                        return found
                    if item.is_dir(follow_symlinks=False):
                        if depth > 0 and os.fsdecode(item.path) != hidden:
                            waiting.append((item.path, before + item.name + b"/", depth - 1))
                        found.is_cut |= depth <= 0
                    elif item.is_file(follow_symlinks=False):
                        seen = item.stat(follow_symlinks=False)
                        found.files[before + item.name] = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
        except OSError:
            found.is_cut = True  # deleted in the meantime, or not accessible
    return found


def changes(before: Look, after: Look) -> dict[str, Any]:
    """The changes for the reply: ``files``, each with its path in hexadecimal, and whether they are ``cut``.

    If a scan was cut, a file that is only in the other one may be old or still exist: it is not reported.
    """
    rows = [
        *_rows("created", after.files, [] if before.is_cut else after.files.keys() - before.files.keys()),
        *_rows("changed", after.files, [p for p, mark in after.files.items() if before.files.get(p, mark) != mark]),
        *_rows("deleted", {}, [] if after.is_cut else before.files.keys() - after.files.keys()),
    ]
    rows.sort(key=lambda row: bytes.fromhex(str(row["path"])))
    is_cut = before.is_cut or after.is_cut or len(rows) > MAX_REPORTED
    return {"files": rows[:MAX_REPORTED], "cut": is_cut}


def _rows(change: str, files: Mapping[bytes, Mark], paths: Any) -> list[dict[str, object]]:
    return [{"path": path.hex(), "change": change, "size": files[path][2] if path in files else 0} for path in paths]

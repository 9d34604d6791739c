"""Files of a kernel's work directory as the gateway knows them. Names are bytes, because not every name is valid text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from gateway.core.errors import BadRequest
from kernels.filewire import MAX_DEPTH, Change, FileEntry, PathError, split_path

__all__ = [
    "MAX_DEPTH",
    "FileChange",
    "FileChanged",
    "FileEntry",
    "Listing",
    "MadeDirectory",
    "Path",
    "check_move",
    "is_path",
    "parse_changes",
    "parse_path",
    "path_of_hex",
]

Path = bytes
"""Relative to the work directory, as split_path() allows."""
MAX_CHANGES: Final = 200
MAX_HEX_CHARS: Final = 8000
_HEX: Final = re.compile(r"([0-9a-f]{2})+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of a work directory, each directory before its contents; *is_cut*: some are missing."""

    entries: tuple[FileEntry, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class FileChanged:
    """What a watch saw of one entry: as it is now, or as it was before it went. Without one: there is more than it sees."""

    change: Change
    entry: FileEntry | None


@dataclass(frozen=True, slots=True)
class MadeDirectory:
    """A directory that is there now; *is_new*: it was made, with those on the way to it."""

    entry: FileEntry
    is_new: bool


@dataclass(frozen=True, slots=True)
class FileChange:
    """What a run did to one file, as the kernel reports it. *size* is in bytes, 0 for a deleted file."""

    path: Path
    change: Literal["created", "changed", "deleted"]
    size: int


def check_move(source: Path, target: Path) -> None:
    """Raise BadRequest if *source* would have to move into itself."""
    if target.startswith(source + b"/"):
        raise BadRequest("A directory can't be moved into itself.")


def is_path(path: bytes) -> bool:
    """Whether *path* names something below the work directory."""
    try:
        split_path(path)
    except PathError:
        return False
    return True


def parse_path(path: bytes) -> Path:
    """*path* if it names something below the work directory; raises BadRequest with the reason otherwise."""
    try:
        split_path(path)
    except PathError as error:
        raise BadRequest(str(error)) from None
    return path


def path_of_hex(text: object) -> Path | None:
    """The path that a kernel writes as *text*; None unless it names something below the work directory."""
    if not isinstance(text, str) or len(text) > MAX_HEX_CHARS or not _HEX.fullmatch(text):
        return None
    path = bytes.fromhex(text)
    return path if is_path(path) else None


def parse_changes(value: object) -> tuple[tuple[FileChange, ...], bool]:
    """The well-formed changes in a kernel's report; and whether there may be more. Code may have written it."""
    said = value if isinstance(value, dict) else {}
    rows = said.get("files")
    given = rows if isinstance(rows, list) else []
    kept = [change for change in map(_parse_change, given[:MAX_CHANGES]) if change is not None]
    return tuple(kept), said.get("cut") is True or len(kept) < len(given)


def _parse_change(row: object) -> FileChange | None:
    """One change, or None if it is malformed."""
    if not isinstance(row, dict):
        return None
    path, change, size = path_of_hex(row.get("path")), row.get("change"), row.get("size")
    if path is None:
        return None
    match change:
        case "created" | "changed":
            return FileChange(path, change, size if type(size) is int and 0 <= size < 2**63 else 0)
        case "deleted":
            return FileChange(path, "deleted", 0)
        case _:
            return None

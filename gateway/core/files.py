"""Files of a kernel's work directory as the gateway knows them. Names are bytes: not every name is text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.core.errors import BadRequest
from kernels.filewire import FileEntry, PathError, split_path

__all__ = ["FileChange", "FileEntry", "Listing", "Path", "is_path", "parse_path"]

Path = bytes
"""Relative to the work directory, as split_path() allows."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in a work directory, directories before what is in them; *is_cut*: some of it is missing here."""

    entries: tuple[FileEntry, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class FileChange:
    """What a run did to one file, as the kernel itself tells it. *size* in bytes, 0 for a deleted one."""

    path: Path
    change: Literal["created", "changed", "deleted"]
    size: int


def is_path(path: bytes) -> bool:
    """Whether *path* names something below the work directory."""
    try:
        split_path(path)
    except PathError:
        return False
    return True


def parse_path(path: bytes) -> Path:
    """*path* if it names something below the work directory; raises BadRequest with a sentence that says what is wrong."""
    try:
        split_path(path)
    except PathError as error:
        raise BadRequest(str(error)) from None
    return path

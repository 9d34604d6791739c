"""What a run is given beside its code, and the files that it gives back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any, Final

from gateway.core.errors import BadRequest
from gateway.core.files import Path, path_of_hex

MAX_FILES: Final = 100
"""Maximum number of files in one request."""
MAX_ROWS: Final = 200
"""Maximum number of files that are listed without their contents."""
MAX_FETCHED: Final = 1000
REASONS: Final = ("no_match", "limit", "link", "denied", "not_a_file")
"""Why a file was left out: no pattern names it, there is no more room, or it can't be read."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a run is given beside its code: *files* to put into the work directory before it, *env* for this run alone,
    and its standard input (*stdin*, None for none). *globs* say which files come back.
    """

    files: tuple[tuple[Path, bytes], ...] = field(default=(), repr=False)
    globs: tuple[str, ...] = ()
    stdin: str | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """It as kernels read it: paths in hexadecimal, because not every name is text; contents in base64.

        So is the input: control characters take six bytes each in JSON.
        """
        files = [[path.hex(), _encoded(data)] for path, data in self.files]
        stdin = None if self.stdin is None else _encoded(self.stdin.encode())
        return {"files": files, "globs": list(self.globs), "stdin": stdin, "env": dict(self.env)}


NOTHING_GIVEN: Final = Given()


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that a run gave back; *base64* is its contents."""

    path: Path
    size: int
    base64: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file whose contents did not come back, for one of REASONS."""

    path: Path
    size: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """The files that a run gave back, and those it left out; *is_cut*: there may be more."""

    files: tuple[FetchedFile, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    is_cut: bool = False


LOST: Final = Fetched(is_cut=True)
"""What comes back of a kernel that has died."""


def check_together(paths: Iterable[Path], what: str) -> None:
    """Raise BadRequest if two of *paths* are the same, or one is a directory of another. *what* has them."""
    # In this order, the paths below a path follow it directly.
    for one, other in pairwise(sorted(path.split(b"/") for path in paths)):
        if one == other[: len(one)]:
            shown = repr(b"/".join(one).decode("utf-8", "replace")[:40])
            raise BadRequest(
                f"{what} has more than one file named {shown}."
                if one == other
                else f"{what} has a file named {shown} and another below that name."
            )


def parse_fetched(value: object) -> Fetched | None:
    """The files in a kernel's report; None without any. User code may have written every part of it."""
    if not isinstance(value, dict):
        return None
    given, rows = _list(value.get("files")), _list(value.get("left_out"))
    files = [file for file in map(_parse_file, islice(given, MAX_FETCHED)) if file is not None]
    left_out = [row for row in map(_parse_left_out, islice(rows, MAX_ROWS)) if row is not None]
    is_whole = len(files) == len(given) and len(left_out) == len(rows) and value.get("cut") is not True
    return Fetched(tuple(files), tuple(left_out), not is_whole)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _parse_file(row: object) -> FetchedFile | None:
    path, text = _parse_path(row), row.get("base64") if isinstance(row, dict) else None
    if path is None or not isinstance(text, str):
        return None
    try:
        return FetchedFile(path, len(binascii.a2b_base64(text, strict_mode=True)), text)
    except ValueError:
        return None


def _parse_left_out(row: object) -> LeftOut | None:
    path = _parse_path(row)
    size, reason = (row.get("size"), row.get("reason")) if isinstance(row, dict) else (None, None)
    if path is None or type(size) is not int or not 0 <= size < 2**63 or reason not in REASONS:
        return None
    return LeftOut(path, size, reason)


def _parse_path(row: object) -> Path | None:
    return path_of_hex(row.get("path")) if isinstance(row, dict) else None

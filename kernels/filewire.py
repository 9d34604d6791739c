"""The protocol between gateway and files helper: frames on a stream socket, file bytes in pieces.

A frame is one letter, a length (four bytes, big-endian) and that many bytes. The gateway sends requests, the helper
answers in turn; every failure is one FAILED frame. Names are bytes, as in Linux, and are never decoded here.

    list    LIST                  ENTRY*, END (entries; whether some were dropped)
    read    READ                  ENTRY
            PART                  DATA*, END
    write   WRITE, DATA*, END     ENTRY
    delete  DELETE                END (entries removed)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

HEADER: Final = struct.Struct("!cI")
FRAME_BYTES: Final = 64 * 1024
"""Maximum payload of a frame, and so of a piece of a file."""

READY: Final = b"h"
"""The helper's first frame: it is confined and ready."""
LIST, READ, WRITE, DELETE = b"l", b"r", b"w", b"d"
PART: Final = b"p"
"""Which bytes of the file that READ has opened are wanted. The gateway may hang up instead: it knows the file's size now."""
ENTRY, DATA, END, FAILED = b"e", b"D", b"E", b"X"

MAX_PATH_BYTES: Final = 4000
MAX_NAME_BYTES: Final = 255
MAX_ENTRIES: Final = 10_000
"""Maximum entries of one listing; one frame each."""

Kind = Literal["file", "directory", "link", "other"]
_KINDS: Final[tuple[Kind, ...]] = ("file", "directory", "link", "other")
_ENTRY: Final = struct.Struct("!BQqB")
_END: Final = struct.Struct("!I?")
_LIST: Final = struct.Struct("!?")
_WRITE: Final = struct.Struct("!Q")
_PART: Final = struct.Struct("!QQ")
_DIGEST_BYTES: Final = 32


class WireError(ValueError):
    """Malformed bytes."""


class PathError(ValueError):
    """A path that does not name something below the work directory; the message is safe to show."""


class Problem(IntEnum):
    """Why a request failed."""

    MISSING = 1
    LINK = 2
    """The name, or a directory on the way, is a symbolic link."""
    DIRECTORY = 3
    NOT_A_FILE = 4
    """A socket, FIFO or device."""
    NOT_A_DIRECTORY = 5
    NOT_EMPTY = 6
    FULL = 7
    TOO_LARGE = 8
    DENIED = 9
    """The file's mode denies access: the kernel's permissions hold for the helper, too."""
    TOO_MANY = 10
    NAME = 11
    CHANGED = 12
    """It was truncated or replaced while it was read."""
    BUSY = 13
    """Too many helpers of this kernel are running."""
    GONE = 14
    """The kernel has ended."""
    OTHER = 15


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One entry of a work directory. *path* is relative to it; *digest* is SHA-256, empty if it was not computed."""

    path: bytes
    kind: Kind
    size: int
    modified_ns: int
    digest: bytes = b""


def split_path(path: bytes) -> tuple[bytes, ...]:
    """The names in *path*, outermost first; raises PathError for a path that could name anything else."""
    if not path:
        raise PathError("The path is empty.")
    if len(path) > MAX_PATH_BYTES:
        raise PathError(f"The path is longer than {MAX_PATH_BYTES} bytes.")
    if b"\0" in path:
        raise PathError("The path has a NUL character.")
    if path.startswith(b"/"):
        raise PathError("The path must be relative to the work directory: leave out the leading slash.")
    names = tuple(path.split(b"/"))
    if b"" in names:
        raise PathError("The path has an empty part: two slashes, or one at its end.")
    if b".." in names or b"." in names:
        raise PathError("The path has a part '.' or '..': name the file itself.")
    if max(map(len, names)) > MAX_NAME_BYTES:
        raise PathError(f"A part of the path is longer than {MAX_NAME_BYTES} bytes.")
    return names


def frame(letter: bytes, payload: bytes = b"") -> bytes:
    """One frame."""
    return HEADER.pack(letter, len(payload)) + payload


def parse_header(data: bytes) -> tuple[bytes, int]:
    """The letter and length in a header; raises WireError if the frame is too long."""
    letter, length = HEADER.unpack(data)
    if length > FRAME_BYTES:
        raise WireError(f"a frame of {length} bytes")
    return letter, length


def failed(problem: Problem) -> bytes:
    """A whole FAILED frame."""
    return frame(FAILED, bytes([problem]))


def parse_problem(payload: bytes) -> Problem:
    """The problem in a FAILED frame; OTHER for an unknown one."""
    try:
        return Problem(payload[0])
    except (ValueError, IndexError):
        return Problem.OTHER


def pack_entry(entry: FileEntry) -> bytes:
    """An ENTRY's payload."""
    size = min(max(entry.size, 0), 2**64 - 1)
    modified_ns = min(max(entry.modified_ns, -(2**63)), 2**63 - 1)  # code can give a file any time
    return _ENTRY.pack(_KINDS.index(entry.kind), size, modified_ns, len(entry.digest)) + entry.digest + entry.path


def parse_entry(payload: bytes) -> FileEntry:
    """The entry in *payload*; raises WireError also for an invalid path, so callers need no further check."""
    try:
        kind, size, modified_ns, digest_bytes = _ENTRY.unpack_from(payload)
    except struct.error:
        raise WireError("an entry is too short") from None
    rest = payload[_ENTRY.size :]
    if kind >= len(_KINDS) or digest_bytes not in (0, _DIGEST_BYTES) or len(rest) < digest_bytes:
        raise WireError("the frame is not an entry")
    path = rest[digest_bytes:]
    try:
        split_path(path)
    except PathError as error:
        raise WireError(str(error)) from None
    return FileEntry(path, _KINDS[kind], size, modified_ns, rest[:digest_bytes])


def pack_end(count: int = 0, *, is_cut: bool = False) -> bytes:
    """An END's payload: a number of entries, and whether some were dropped."""
    return _END.pack(count, is_cut)


def parse_end(payload: bytes) -> tuple[int, bool]:
    """The number of entries, and whether some were dropped; raises WireError."""
    try:
        count, is_cut = _END.unpack(payload)
    except struct.error:
        raise WireError("the frame does not end a listing") from None
    return count, is_cut


def pack_list(under: bytes, *, wants_digests: bool) -> bytes:
    """A LIST's payload; *under* is a directory, empty for the work directory itself."""
    return _LIST.pack(wants_digests) + under


def parse_list(payload: bytes) -> tuple[bytes, bool]:
    """The directory, and whether digests are requested."""
    (wants_digests,) = _LIST.unpack_from(payload)
    return payload[_LIST.size :], wants_digests


def pack_write(path: bytes, most_bytes: int) -> bytes:
    """A WRITE's payload."""
    return _WRITE.pack(most_bytes) + path


def parse_write(payload: bytes) -> tuple[bytes, int]:
    """The path, and its maximum size in bytes."""
    (most_bytes,) = _WRITE.unpack_from(payload)
    return payload[_WRITE.size :], most_bytes


def pack_part(start: int, count: int) -> bytes:
    """A PART's payload."""
    return _PART.pack(start, count)


def parse_part(payload: bytes) -> tuple[int, int]:
    """The number of the first byte, and how many are wanted."""
    start, count = _PART.unpack(payload)
    return start, count


def pack_delete(path: bytes, *, is_recursive: bool) -> bytes:
    """A DELETE's payload."""
    return _LIST.pack(is_recursive) + path


def parse_delete(payload: bytes) -> tuple[bytes, bool]:
    """The path, and whether to remove a directory's contents, too."""
    return parse_list(payload)

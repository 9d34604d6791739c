"""The protocol between gateway and files helper: frames on a stream socket, file bytes in pieces.

A frame is one letter, a length (four bytes, big-endian) and that many bytes. The gateway sends requests, the helper
answers in turn; every failure is one FAILED frame. Names are bytes, as in Linux, and are never decoded here.

    list    LIST                  ENTRY*, END (entries; whether some were dropped)
    read    READ                  ENTRY
            PART                  PACKING, DATA*, END
    write   WRITE, DATA*, END     ENTRY
    delete  DELETE                END (entries removed)
    stat    STAT                  ENTRY
    make    MAKE                  ENTRY, END (directories made)
    move    MOVE                  ENTRY
    mode    MODE                  ENTRY
    watch   WATCH                 END, then CHANGE, GAP and TICK until the gateway hangs up
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
STAT, MAKE, MOVE, MODE, WATCH = b"s", b"m", b"v", b"c", b"n"
CHANGE, GAP, TICK = b"g", b"G", b"t"
"""Something changed; there is more than a watch sees, or was until now; nothing happened, and the watch goes on."""
TICK_S: Final = 10.0
PART: Final = b"p"
"""Which bytes of the file that READ has opened are wanted. The gateway may hang up instead: it knows the file's size now."""
PACKING: Final = b"z"
"""Whether the bytes that follow are gzip: only if the gateway allowed it, and if it is worth it."""
ENTRY, DATA, END, FAILED = b"e", b"D", b"E", b"X"

MAX_PATH_BYTES: Final = 4000
MAX_NAME_BYTES: Final = 255
MAX_TARGET_BYTES: Final = 4096
"""Maximum length of what a link says (Linux has the same)."""
MAX_ENTRIES: Final = 10_000
"""Maximum entries of one listing; one frame each."""
MAX_DEPTH: Final = 40
"""Maximum depth of a listing; each level takes a descriptor, and a kernel may be limited to 64."""
ALL_MODE_BITS: Final = 0o7777
"""The bits of a mode that are told."""
MODE_BITS: Final = 0o777
"""Those that can be set: no set-uid, set-gid or sticky bit."""

Change = Literal["created", "changed", "deleted"]
_CHANGES: Final[tuple[Change, ...]] = ("created", "changed", "deleted")
Kind = Literal["file", "directory", "link", "other"]
_KINDS: Final[tuple[Kind, ...]] = ("file", "directory", "link", "other")
_ENTRY: Final = struct.Struct("!BHBQqqBH")
_END: Final = struct.Struct("!I?")
_LIST: Final = struct.Struct("!?B")
_FLAG: Final = struct.Struct("!?")
_MOVE: Final = struct.Struct("!?H")
_MODE: Final = struct.Struct("!H")
_WRITE: Final = struct.Struct("!Q?")
_PART: Final = struct.Struct("!QQ?")
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
    EXISTS = 16
    """There is something at the new path, and it was not to be replaced."""
    NOT_GZIP = 17
    """The bytes of an upload, declared as gzip, are not."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One entry of a work directory. *path* is relative to it; *digest* is SHA-256, empty if it was not computed.

    *mode* are the permission bits. *is_own*: it belongs to the kernel's uid, as all do that its code can make. *changed_ns*
    is when contents, mode or name changed. *target* is what a link says, which may name nothing or anything.
    """

    path: bytes
    kind: Kind
    size: int
    modified_ns: int
    digest: bytes = b""
    mode: int = 0
    is_own: bool = True
    changed_ns: int = 0
    target: bytes = b""


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
    head = _ENTRY.pack(
        _KINDS.index(entry.kind),
        entry.mode & ALL_MODE_BITS,
        entry.is_own,
        min(max(entry.size, 0), 2**64 - 1),
        _time(entry.modified_ns),
        _time(entry.changed_ns),
        len(entry.digest),
        len(entry.target),
    )
    return head + entry.digest + entry.target + entry.path


def _time(moment_ns: int) -> int:
    """The nearest time that a frame can tell: code can give a file any."""
    return min(max(moment_ns, -(2**63)), 2**63 - 1)


def parse_entry(payload: bytes) -> FileEntry:
    """The entry in *payload*; raises WireError also for an invalid path, so callers need no further check."""
    try:
        kind, mode, is_own, size, modified_ns, changed_ns, digest_bytes, target_bytes = _ENTRY.unpack_from(payload)
    except struct.error:
        raise WireError("an entry is too short") from None
    rest = payload[_ENTRY.size :]
    if kind >= len(_KINDS) or mode > ALL_MODE_BITS or is_own > 1 or digest_bytes not in (0, _DIGEST_BYTES):
        raise WireError("the frame is not an entry")
    if target_bytes > (MAX_TARGET_BYTES if _KINDS[kind] == "link" else 0) or len(rest) < digest_bytes + target_bytes:
        raise WireError("the frame is not an entry")
    digest, target, path = rest[:digest_bytes], rest[digest_bytes:][:target_bytes], rest[digest_bytes + target_bytes :]
    try:
        split_path(path)
    except PathError as error:
        raise WireError(str(error)) from None
    return FileEntry(path, _KINDS[kind], size, modified_ns, digest, mode, bool(is_own), changed_ns, target)


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


def pack_list(under: bytes, *, wants_digests: bool, depth: int = MAX_DEPTH) -> bytes:
    """A LIST's payload; *under* is a directory, empty for the work directory itself; a *depth* of 1 is its own entries."""
    return _LIST.pack(wants_digests, depth) + under


def parse_list(payload: bytes) -> tuple[bytes, bool, int]:
    """The directory, whether digests are requested, and how deep the listing goes."""
    wants_digests, depth = _LIST.unpack_from(payload)
    return payload[_LIST.size :], wants_digests, min(max(depth, 1), MAX_DEPTH)


def pack_stat(path: bytes, *, wants_digest: bool) -> bytes:
    """A STAT's payload."""
    return _FLAG.pack(wants_digest) + path


def parse_stat(payload: bytes) -> tuple[bytes, bool]:
    """The path, and whether a digest is requested."""
    return _parse_flag(payload)


def pack_move(source: bytes, target: bytes, *, replaces: bool) -> bytes:
    """A MOVE's payload."""
    return _MOVE.pack(replaces, len(source)) + source + target


def parse_move(payload: bytes) -> tuple[bytes, bytes, bool]:
    """The old path, the new one, and whether a file there may be replaced."""
    replaces, length = _MOVE.unpack_from(payload)
    paths = payload[_MOVE.size :]
    return paths[:length], paths[length:], replaces


def pack_mode(path: bytes, mode: int) -> bytes:
    """A MODE's payload."""
    return _MODE.pack(mode) + path


def parse_mode(payload: bytes) -> tuple[bytes, int]:
    """The path, and its new permission bits."""
    (mode,) = _MODE.unpack_from(payload)
    return payload[_MODE.size :], mode & MODE_BITS


def pack_write(path: bytes, most_bytes: int, *, is_gzip: bool = False) -> bytes:
    """A WRITE's payload."""
    return _WRITE.pack(most_bytes, is_gzip) + path


def parse_write(payload: bytes) -> tuple[bytes, int, bool]:
    """The path, its maximum size in bytes, and whether the bytes that follow are gzip, to be unpacked."""
    most_bytes, is_gzip = _WRITE.unpack_from(payload)
    return payload[_WRITE.size :], most_bytes, is_gzip


def pack_part(start: int, count: int, *, may_pack: bool = False) -> bytes:
    """A PART's payload."""
    return _PART.pack(start, count, may_pack)


def parse_part(payload: bytes) -> tuple[int, int, bool]:
    """The number of the first byte, how many are wanted, and whether they may be sent as gzip."""
    start, count, may_pack = _PART.unpack(payload)
    return start, count, may_pack


def pack_packing(*, is_gzip: bool) -> bytes:
    """A PACKING's payload."""
    return _FLAG.pack(is_gzip)


def parse_packing(payload: bytes) -> bool:
    """Whether the bytes that follow are gzip; raises WireError."""
    if payload not in (b"\0", b"\1"):
        raise WireError("the frame does not say how the file is packed")
    return payload == b"\1"


def pack_watch(under: bytes, depth: int) -> bytes:
    """A WATCH's payload; *under* is a directory, empty for the work directory itself."""
    return bytes([depth]) + under


def parse_watch(payload: bytes) -> tuple[bytes, int]:
    """The directory, and how many levels of it are watched."""
    return payload[1:], min(max(payload[0] if payload else 1, 1), MAX_DEPTH)


def pack_change(change: Change, entry: FileEntry) -> bytes:
    """A CHANGE's payload; *entry* is what is there now, or what was there before it was deleted."""
    return bytes([_CHANGES.index(change)]) + pack_entry(entry)


def parse_change(payload: bytes) -> tuple[Change, FileEntry]:
    """The change in *payload*; raises WireError."""
    if not payload or payload[0] >= len(_CHANGES):
        raise WireError("the frame is not a change")
    return _CHANGES[payload[0]], parse_entry(payload[1:])


def pack_delete(path: bytes, *, is_recursive: bool) -> bytes:
    """A DELETE's payload."""
    return _FLAG.pack(is_recursive) + path


def parse_delete(payload: bytes) -> tuple[bytes, bool]:
    """The path, and whether to remove a directory's contents, too."""
    return _parse_flag(payload)


def _parse_flag(payload: bytes) -> tuple[bytes, bool]:
    (flag,) = _FLAG.unpack_from(payload)
    return payload[_FLAG.size :], flag

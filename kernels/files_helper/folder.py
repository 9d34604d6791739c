"""The operations of the files helper in a work directory: list, read, write and delete, each bounded.

Nothing here follows a link: directories are opened by `beneath`, and every other call takes a single name in an open
directory and acts on that name itself. Concurrent changes by the kernel's code can only make a request fail.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from kernels.files_helper.beneath import names_in, open_beneath, open_directory, opened
from kernels.filewire import FRAME_BYTES, MAX_DEPTH, MAX_ENTRIES, MAX_TARGET_BYTES, FileEntry, Kind, Problem, split_path

MAX_LISTED_BYTES: Final = 4 * 1024 * 1024
MAX_HASHED_BYTES: Final = 256 * 1024 * 1024
MAX_HASHING_S: Final = 5.0
MAX_REMOVED: Final = 50_000
FILE_MODE: Final = 0o644
DIRECTORY_MODE: Final = 0o755
TEMPORARY: Final = b".upload-"
"""How the names of uploads begin that are not whole yet."""
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class FileRefused(Exception):
    """A refused request, with the reason."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.name)
        self.problem = problem


_PROBLEMS: Final = {
    errno.ENOENT: Problem.MISSING,
    errno.ELOOP: Problem.LINK,
    errno.EXDEV: Problem.LINK,
    errno.EISDIR: Problem.DIRECTORY,
    errno.ENOTDIR: Problem.NOT_A_DIRECTORY,
    errno.ENXIO: Problem.NOT_A_FILE,
    errno.ENODEV: Problem.NOT_A_FILE,
    errno.ENOTEMPTY: Problem.NOT_EMPTY,
    errno.EEXIST: Problem.CHANGED,
    errno.ENOSPC: Problem.FULL,
    errno.EDQUOT: Problem.FULL,
    errno.ENOMEM: Problem.FULL,
    errno.EFBIG: Problem.TOO_LARGE,
    errno.EACCES: Problem.DENIED,
    errno.EPERM: Problem.DENIED,
    errno.ENAMETOOLONG: Problem.NAME,
    errno.EINVAL: Problem.NAME,
}


def problem_of(error: OSError) -> Problem:
    """The Problem that an error of Linux means for the client."""
    return _PROBLEMS.get(error.errno or 0, Problem.OTHER)


@dataclass(slots=True)
class _Budget:
    """The remaining bounds of a listing."""

    entries: int = MAX_ENTRIES
    listed_bytes: int = MAX_LISTED_BYTES
    hashed_bytes: int = MAX_HASHED_BYTES
    hashing_until: float = field(default_factory=lambda: time.monotonic() + MAX_HASHING_S)
    is_cut: bool = False

    def take(self, path: bytes, target: bytes) -> bool:
        """Whether one more entry fits."""
        self.entries -= 1
        self.listed_bytes -= len(path) + len(target)
        fits = self.entries >= 0 and self.listed_bytes >= 0
        self.is_cut |= not fits
        return fits

    def may_hash(self, size: int) -> bool:
        """Whether so many bytes may be read for a digest."""
        return size <= self.hashed_bytes and time.monotonic() < self.hashing_until


@dataclass(slots=True)
class EntryWalk:
    """Yields the entries below *under* by name, each directory before its contents; then *is_cut*: some are missing.

    What lies deeper than *depth* levels was not asked for, unless that is as deep as any listing goes.
    """

    root: int
    under: bytes
    wants_digests: bool
    depth: int = MAX_DEPTH
    is_cut: bool = False

    def __iter__(self) -> Iterator[FileEntry]:
        budget = _Budget()
        top = open_directory(self.root, b"/".join(split_path(self.under)) if self.under else b".")
        try:
            yield from self._walk(top, self.under + b"/" if self.under else b"", budget, self.depth)
        finally:
            os.close(top)
            self.is_cut = budget.is_cut

    def _walk(self, directory: int, before: bytes, budget: _Budget, depth: int) -> Iterator[FileEntry]:
        names, is_cut = names_in(directory, budget.entries)
        budget.is_cut |= is_cut
        for name in names:
            try:
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            except OSError:
                continue  # deleted in the meantime
            path = before + name
            if not _can_name(path):
                budget.is_cut = True  # too deep for a path
                continue
            target = target_of(directory, name, found)
            if not budget.take(path, target):
                return
            digest = self._digest(directory, name, found, budget)
            yield entry_of(path, found, digest, target)
            if stat.S_ISDIR(found.st_mode):
                yield from self._descend(directory, name, path + b"/", budget, depth - 1)
            if budget.entries <= 0:
                budget.is_cut |= name != names[-1]
                return

    def _descend(self, directory: int, name: bytes, before: bytes, budget: _Budget, depth: int) -> Iterator[FileEntry]:
        if depth <= 0:
            budget.is_cut |= self.depth >= MAX_DEPTH
            return
        try:
            inner = open_directory(directory, name)
        except OSError:
            budget.is_cut = True  # not accessible, or no longer a directory
            return
        try:
            yield from self._walk(inner, before, budget, depth)
        finally:
            os.close(inner)

    def _digest(self, directory: int, name: bytes, found: os.stat_result, budget: _Budget) -> bytes:
        if not self.wants_digests or not stat.S_ISREG(found.st_mode) or not budget.may_hash(found.st_size):
            return b""
        return _digest_of(directory, name, budget)


def _digest_of(directory: int, name: bytes, budget: _Budget) -> bytes:
    """The SHA-256 of a file, as far as the *budget* allows; else empty."""
    try:
        with opened(directory, name, os.O_RDONLY) as fd:
            size = _regular(fd).st_size
            if not budget.may_hash(size):
                return b""
            budget.hashed_bytes -= size
            digest = hashlib.sha256()
            for piece in _pieces(fd, size):
                digest.update(piece)
                if time.monotonic() > budget.hashing_until:
                    return b""
            return digest.digest()
    except (OSError, FileRefused):
        return b""


def look(root: int, path: bytes, *, wants_digest: bool = False) -> FileEntry:
    """What *path* names: of a link the link itself. Raises OSError."""
    *parents, name = split_path(path)
    with opened(root, b"/".join(parents) or b".", os.O_RDONLY | os.O_DIRECTORY) as folder:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        digest = _digest_of(folder, name, _Budget()) if wants_digest and stat.S_ISREG(found.st_mode) else b""
        return entry_of(path, found, digest, target_of(folder, name, found))


@dataclass(frozen=True, slots=True)
class Reading:
    """An open regular file; *entry* describes it at the time of opening, and at most that many bytes are read."""

    fd: int
    entry: FileEntry

    @classmethod
    def open(cls, root: int, path: bytes) -> Reading:
        """Open it; raises OSError or FileRefused."""
        fd = open_beneath(root, b"/".join(split_path(path)), os.O_RDONLY)
        try:
            return cls(fd, entry_of(path, _regular(fd)))
        except FileRefused:
            os.close(fd)
            raise

    def pieces(self, start: int, count: int) -> Iterator[bytes]:
        """So many bytes from *start*, or up to the end; raises FileRefused if the file has become shorter."""
        start = min(start, self.entry.size)
        os.lseek(self.fd, start, os.SEEK_SET)
        return _pieces(self.fd, min(count, self.entry.size - start))

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)


def write(root: int, path: bytes, pieces: Iterable[bytes], most_bytes: int) -> FileEntry:
    """Write a new file at *path* and create its directories; it appears whole or not at all.

    It replaces a file of that name. Raises OSError or FileRefused; then nothing is changed.
    """
    *parents, name = split_path(path)
    made: list[bytes] = []
    try:
        folder = make_directories(root, parents, made)
        try:
            return _write_in(folder, name, path, pieces, most_bytes)
        finally:
            os.close(folder)
    except BaseException:
        for depth in reversed(made):
            remove_made(root, depth)
        raise


def make_directories(root: int, parents: list[bytes], made: list[bytes]) -> int:
    """A descriptor of the innermost directory; created directories are added to *made*."""
    folder = open_directory(root)
    for depth, name in enumerate(parents):
        try:
            with suppress(FileExistsError):
                os.mkdir(name, DIRECTORY_MODE, dir_fd=folder)
                made.append(b"/".join(parents[: depth + 1]))
            inner = open_directory(folder, name)
        finally:
            os.close(folder)
        folder = inner
    return folder


def remove_made(root: int, path: bytes) -> None:
    """Remove a created directory after a failure, if it is still empty."""
    before, _, name = path.rpartition(b"/")
    with suppress(OSError), opened(root, before or b".", os.O_RDONLY | os.O_DIRECTORY) as folder:
        os.rmdir(name, dir_fd=folder)


def _write_in(folder: int, name: bytes, path: bytes, pieces: Iterable[bytes], most_bytes: int) -> FileEntry:
    check_replaceable(folder, name)
    temporary = TEMPORARY + secrets.token_hex(8).encode()
    with opened(folder, temporary, _CREATE, FILE_MODE) as fd:
        try:
            digest = _fill(fd, pieces, most_bytes)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        return entry_of(path, os.fstat(fd), digest)


def check_replaceable(folder: int, name: bytes) -> None:
    """Refuse to replace anything but a file: rename() would silently replace a link."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise FileRefused(_unfit(mode))


def _fill(fd: int, pieces: Iterable[bytes], most_bytes: int) -> bytes:
    """Write all bytes; returns their digest."""
    digest, total = hashlib.sha256(), 0
    for piece in pieces:
        total += len(piece)
        if total > most_bytes:
            raise FileRefused(Problem.TOO_LARGE)
        digest.update(piece)
        while piece:
            piece = piece[os.write(fd, piece) :]
    return digest.digest()


def delete(root: int, path: bytes, *, is_recursive: bool) -> int:
    """Remove *path*, a link itself and not its target; returns the number of removed entries. Raises OSError or FileRefused.

    A directory must be empty, or is removed with its contents; if there are too many, some are left.
    """
    *parents, name = split_path(path)
    with opened(root, b"/".join(parents) or b".", os.O_RDONLY | os.O_DIRECTORY) as folder:
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
            return 1
        removed = 0
        if is_recursive:
            with opened(folder, name, os.O_RDONLY | os.O_DIRECTORY) as inner:
                removed = _empty(inner)
        os.rmdir(name, dir_fd=folder)
        return removed + 1


def _empty(top: int) -> int:
    """Remove the contents of *top*. Subdirectories are moved to the top first, so that no path grows with the depth."""
    removed = 0
    while True:
        names, _ = names_in(top, MAX_ENTRIES)
        if not names:
            return removed
        for name in names:
            removed += _remove_one(top, name)
            if removed > MAX_REMOVED:
                raise FileRefused(Problem.TOO_MANY)


def _remove_one(top: int, name: bytes) -> int:
    if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=top)
        return 1
    removed = 1
    with opened(top, name, os.O_RDONLY | os.O_DIRECTORY) as inner:
        for below in names_in(inner, MAX_REMOVED)[0]:
            if stat.S_ISDIR(os.stat(below, dir_fd=inner, follow_symlinks=False).st_mode):
                os.rename(below, secrets.token_hex(16).encode(), src_dir_fd=inner, dst_dir_fd=top)
            else:
                os.unlink(below, dir_fd=inner)
                removed += 1
    os.rmdir(name, dir_fd=top)
    return removed


def entry_of(path: bytes, found: os.stat_result, digest: bytes = b"", target: bytes = b"") -> FileEntry:
    """The result of stat() as an entry."""
    return FileEntry(
        path,
        _kind(found.st_mode),
        found.st_size,
        found.st_mtime_ns,
        digest,
        stat.S_IMODE(found.st_mode),
        found.st_uid == os.geteuid(),
        found.st_ctime_ns,
        target,
    )


def target_of(directory: int, name: bytes, found: os.stat_result) -> bytes:
    """What the link *name* says; empty for anything else, and for what is no link any more."""
    if not stat.S_ISLNK(found.st_mode):
        return b""
    try:
        return os.readlink(name, dir_fd=directory)[:MAX_TARGET_BYTES]
    except OSError:
        return b""


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"


def _can_name(path: bytes) -> bool:
    try:
        split_path(path)
    except ValueError:
        return False
    return True


def _regular(fd: int) -> os.stat_result:
    """The entry of the file open as *fd*; raises FileRefused unless it is a regular file."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise FileRefused(_unfit(found.st_mode))
    return found


def _unfit(mode: int) -> Problem:
    if stat.S_ISDIR(mode):
        return Problem.DIRECTORY
    return Problem.LINK if stat.S_ISLNK(mode) else Problem.NOT_A_FILE


def _pieces(fd: int, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = os.read(fd, min(size, FRAME_BYTES))
        if not piece:
            raise FileRefused(Problem.CHANGED)
        size -= len(piece)
        yield piece

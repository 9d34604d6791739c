"""Files of one run, as the kernel itself puts them into its work directory and sends them back; standard library only.

The kernel has no other rights there than the code it runs, so nothing here protects it from that code. Links are not
followed, as in all other requests about files, and what is written appears whole or not at all.
"""

from __future__ import annotations

import base64
import errno
import fnmatch
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

MAX_ENTRIES: Final = 10_000
MAX_DEPTH: Final = 40
MAX_ROWS: Final = 200
MAX_FETCHED: Final = 1000
BUDGET_S: Final = 1.0
"""How much processor time the search may take."""
_ALWAYS: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | _ALWAYS
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _ALWAYS
_WILD: Final = re.compile(rb"[*?[]")
_REASONS: Final = {
    errno.ENOSPC: "the work directory is full",
    errno.EDQUOT: "the work directory is full",
    errno.EFBIG: "it is larger than a file may be",
    errno.ELOOP: "a part of the path is a symbolic link, which is not followed",
    errno.ENOTDIR: "a part of the path is a file or a symbolic link, not a directory",
    errno.EISDIR: "it is a directory, a symbolic link or another thing that is no file",
    errno.EACCES: "the directory does not allow it",
    errno.EPERM: "the directory does not allow it",
}


class FilesError(Exception):
    """A run's files can't be put into its work directory; the message says which and why."""

    __module__ = "builtins"  # the prefix in a traceback: callers do not know modules of the kernel


# ---- before the run ------------------------------------------------------------------------------------------------------


def write_all(work_dir: str, files: Sequence[tuple[bytes, bytes]]) -> None:
    """Put *files*, each a path and its contents, into *work_dir*: all of them, or none and a FilesError."""
    staged: list[tuple[bytes, bytes]] = []
    made: list[bytes] = []
    try:
        with _opened(work_dir) as root:
            for path, data in files:
                with _blaming(path):
                    staged.append((path, _stage(root, path, data, made)))
            while staged:
                path, temporary = staged[0]
                with _blaming(path), _folder(root, path) as (folder, name):
                    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
                staged.pop(0)
                made.clear()
    except OSError as error:
        raise FilesError(f"files: the work directory can't be used: {error.strerror}") from None
    except BaseException:
        _unstage(work_dir, staged, made)
        raise


@contextmanager
def _blaming(path: bytes) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = _REASONS.get(error.errno or 0, error.strerror)
        raise FilesError(f"files: {path.decode('utf-8', 'replace')!r} can't be written: {why}") from None


def _stage(root: int, path: bytes, data: bytes, made: list[bytes]) -> bytes:
    """Write *data* beside *path*; the name it has there. Directories are created and added to *made*."""
    *parents, _name = path.split(b"/")
    for depth in range(len(parents)):
        with _folder(root, b"/".join(parents[: depth + 1])) as (folder, name), suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=folder)
            made.append(b"/".join(parents[: depth + 1]))
    with _folder(root, path) as (folder, name):
        _check_replaceable(folder, name)
        temporary = b".upload-" + secrets.token_hex(8).encode()
        fd = os.open(temporary, _CREATE, 0o644, dir_fd=folder)
        try:
            _write(fd, data)
        except BaseException:
            os.unlink(temporary, dir_fd=folder)
            raise
        finally:
            os.close(fd)
    return temporary


def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _check_replaceable(folder: int, name: bytes) -> None:
    """Refuse to replace anything but a file: a link is nothing that the caller put there."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise IsADirectoryError(errno.EISDIR, "")


def _unstage(work_dir: str, staged: Sequence[tuple[bytes, bytes]], made: Sequence[bytes]) -> None:
    with suppress(OSError), _opened(work_dir) as root:
        for path, temporary in staged:
            with suppress(OSError), _folder(root, path) as (folder, _name):
                os.unlink(temporary, dir_fd=folder)
        for path in reversed(made):
            with suppress(OSError), _folder(root, path) as (folder, name):
                os.rmdir(name, dir_fd=folder)


@contextmanager
def _opened(work_dir: str) -> Iterator[int]:
    root = os.open(work_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield root
    finally:
        os.close(root)


@contextmanager
def _folder(root: int, path: bytes) -> Iterator[tuple[int, bytes]]:
    """The open directory of *path* below *root*, and its name there; no link is followed."""
    *parents, name = path.split(b"/")
    folder = os.dup(root)
    try:
        for parent in parents:
            inner = os.open(parent, _DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder, name
    finally:
        os.close(folder)


# ---- after the run -------------------------------------------------------------------------------------------------------


class Globs:
    """Patterns for paths: ``*``, ``?`` and ``[...]`` within a name, ``**`` for any directories.

    As in shells, only a pattern that names the dot itself matches a name that begins with one.
    """

    def __init__(self, globs: Sequence[bytes]) -> None:
        self._globs = [_parts(glob) for glob in globs]

    def match(self, path: bytes) -> bool:
        """Whether one of them matches *path*."""
        names = path.split(b"/")
        return any(_matches(glob, names) for glob in self._globs)


def _parts(glob: bytes) -> list[_Name | None]:
    """The parts of a pattern, None for ``**``; several of these in a row are one."""
    parts = glob.split(b"/")
    kept = [part for part, before in zip(parts, [b"", *parts], strict=False) if not part == before == b"**"]
    return [None if part == b"**" else _Name(part) for part in kept]


class _Name:
    """One part of a pattern."""

    def __init__(self, part: bytes) -> None:
        self._fits = re.compile(fnmatch.translate(os.fsdecode(part))).match
        self._takes_hidden = part.startswith(b".")

    def matches(self, name: bytes) -> bool:
        """Whether it fits *name*."""
        return (self._takes_hidden or not name.startswith(b".")) and self._fits(os.fsdecode(name)) is not None


def _matches(glob: Sequence[_Name | None], names: Sequence[bytes]) -> bool:
    """Whether *glob* matches the path of *names*; all its positions are tried at once, so many ``**`` cost no more."""
    at = _skipping(glob, {0})
    for name in names:
        found = set()
        for place in at - {len(glob)}:
            part = glob[place]
            if part is not None and part.matches(name):
                found.add(place + 1)
            elif part is None and not name.startswith(b"."):
                found.add(place)
        if not found:
            return False
        at = _skipping(glob, found)
    return len(glob) in at


def _skipping(glob: Sequence[_Name | None], places: set[int]) -> set[int]:
    """*places*, and those behind a ``**`` that stands for no directory."""
    reached = set(places)
    for place in range(len(glob)):
        if place in reached and glob[place] is None:
            reached.add(place + 1)
    return reached


@dataclass(slots=True)
class _Harvest:
    """What goes back."""

    left_bytes: int
    files: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    is_cut: bool = False

    def leave(self, path: bytes, size: int, reason: str) -> None:
        """Only name a file."""
        if len(self.left_out) >= MAX_ROWS:
            self.is_cut = True
            return
        self.left_out.append({"path": path.hex(), "size": size, "reason": reason})

    def take(self, root: int, path: bytes) -> None:
        """Read a file, if it is one and there is room."""
        try:
            with _folder(root, path) as (folder, name):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and found.st_size <= self.left_bytes and len(self.files) < MAX_FETCHED:
                    self._read(folder, name, path, found.st_size)
                else:
                    self.leave(path, found.st_size, _reason(found.st_mode))
        except FileNotFoundError:
            return  # deleted in the meantime, or never there
        except OSError as error:
            self.leave(path, 0, "link" if error.errno in (errno.ELOOP, errno.ENOTDIR) else "denied")

    def _read(self, folder: int, name: bytes, path: bytes, size: int) -> None:
        with open(os.open(name, os.O_RDONLY | _ALWAYS, dir_fd=folder), "rb", buffering=0) as file:
            pieces = []
            while size > 0 and (piece := file.read(size)):
                pieces.append(piece)
                size -= len(piece)
        data = b"".join(pieces)
        self.left_bytes -= len(data)
        self.files.append({"path": path.hex(), "base64": base64.b64encode(data).decode("ascii")})


def _reason(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "limit"
    return "link" if stat.S_ISLNK(mode) else "not_a_file"


def fetch(work_dir: str, globs: Sequence[bytes], most_bytes: int, hidden: str = "") -> dict[str, Any]:
    """The files that *globs* match, *most_bytes* in all, for the reply; and what else there is. Never raises OSError."""
    harvest, patterns = _Harvest(most_bytes), Globs(globs)
    exact = [glob for glob in dict.fromkeys(globs) if not _WILD.search(glob)]
    try:
        with _opened(work_dir) as root:
            for path in exact:
                harvest.take(root, path)
            ends_at = time.thread_time() + BUDGET_S
            others, harvest.is_cut = _walk(work_dir, hidden, ends_at)
            wanted = [path for path in others if path not in exact and time.thread_time() < ends_at and patterns.match(path)]
            harvest.is_cut |= time.thread_time() >= ends_at
            for path in wanted:
                harvest.take(root, path)
    except OSError:
        harvest.is_cut = True
        return _told(harvest)
    for path in sorted(others.keys() - {*exact, *wanted}):
        harvest.leave(path, others[path], "no_match")
    return _told(harvest)


def _told(harvest: _Harvest) -> dict[str, Any]:
    return {"files": harvest.files, "left_out": harvest.left_out, "cut": harvest.is_cut}


def _walk(work_dir: str, hidden: str, ends_at: float) -> tuple[dict[bytes, int], bool]:
    """The size of each file by its path, in the order of the paths; and whether there may be more. Follows no link."""
    found: dict[bytes, int] = {}
    waiting = [(os.fsencode(work_dir), b"", MAX_DEPTH)]
    entries, is_cut = 0, False
    while waiting:
        folder, before, depth = waiting.pop()
        try:
            with os.scandir(folder) as items:
                for item in items:
                    entries += 1
                    if entries > MAX_ENTRIES or time.thread_time() > ends_at:
                        return dict(sorted(found.items())), True
                    if not item.is_dir(follow_symlinks=False):
                        found[before + item.name] = item.stat(follow_symlinks=False).st_size
                    elif os.fsdecode(item.path) != hidden and depth > 0:
                        waiting.append((item.path, before + item.name + b"/", depth - 1))
                    else:
                        is_cut |= depth <= 0
        except OSError:
            is_cut = True  # deleted in the meantime, or not accessible
    return dict(sorted(found.items())), is_cut

"""Changes to a work directory that move no bytes: directories made, names moved, modes set.

As in `folder`, no call follows a link, and concurrent changes by the kernel's code can only make a request fail.
"""

from __future__ import annotations

import os
from typing import Final

from kernels.files_helper import folder
from kernels.files_helper.beneath import opened
from kernels.files_helper.folder import FileRefused, entry_of
from kernels.filewire import MODE_BITS, FileEntry, Problem, split_path
from kernels.sandbox import sysc

_PLAIN_KINDS: Final = ("file", "directory")


def make_directory(root: int, path: bytes) -> tuple[FileEntry, int]:
    """Make the directory *path* and those on the way to it: what it is, and how many were made (0: it was there).

    Raises OSError or FileRefused; then nothing is changed.
    """
    made: list[bytes] = []
    try:
        directory = folder.make_directories(root, list(split_path(path)), made)
    except BaseException:
        _take_back(root, made)
        raise
    try:
        return entry_of(path, os.fstat(directory)), len(made)
    finally:
        os.close(directory)


def move(root: int, source: bytes, target: bytes, *, replaces: bool) -> FileEntry:
    """Give *source*, of whatever kind, the path *target*, whose directories are made; what it is there.

    A regular file at *target* is replaced if *replaces* says so, nothing else ever is. Raises OSError or FileRefused; then
    nothing is changed.
    """
    *parents, name = split_path(source)
    *new_parents, new_name = split_path(target)
    made: list[bytes] = []
    with opened(root, b"/".join(parents) or b".", os.O_RDONLY | os.O_DIRECTORY) as old:
        os.stat(name, dir_fd=old, follow_symlinks=False)
        try:
            new = folder.make_directories(root, new_parents, made)
            try:
                _rename(old, name, new, new_name, replaces=replaces)
                found = os.stat(new_name, dir_fd=new, follow_symlinks=False)
                return entry_of(target, found, target=folder.target_of(new, new_name, found))
            finally:
                os.close(new)
        except BaseException:
            _take_back(root, made)
            raise


def _rename(old: int, name: bytes, new: int, new_name: bytes, *, replaces: bool) -> None:
    if replaces:
        folder.check_replaceable(new, new_name)
        os.rename(name, new_name, src_dir_fd=old, dst_dir_fd=new)
        return
    try:
        sysc.rename_to_nothing(old, name, new, new_name)
    except FileExistsError:
        raise FileRefused(Problem.EXISTS) from None


def set_mode(root: int, path: bytes, mode: int) -> FileEntry:
    """Give the file or directory *path* these permissions. Raises OSError or FileRefused.

    By a descriptor, which no link can lead astray. So what its owner may not read stays as it is.
    """
    with opened(root, b"/".join(split_path(path)), os.O_RDONLY) as fd:
        if entry_of(path, os.fstat(fd)).kind not in _PLAIN_KINDS:
            raise FileRefused(Problem.NOT_A_FILE)
        os.fchmod(fd, mode & MODE_BITS)
        return entry_of(path, os.fstat(fd))


def _take_back(root: int, made: list[bytes]) -> None:
    for path in reversed(made):
        folder.remove_made(root, path)

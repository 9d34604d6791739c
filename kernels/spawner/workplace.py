"""Work directories of kernels without a mount namespace (level L1): one each on the host, removed at their end."""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from kernels.spawner.identity import answer_as

TEMPORARY = ".tmp"
"""The directory in each work directory that TMPDIR names: the kernel has no /tmp of its own."""
_OTHERS_MAY_ENTER = 0o001


@dataclass(frozen=True, slots=True)
class Workplaces:
    """The work directories of one gateway's kernels below *root*; with *own_uids* each belongs to its kernel's uid."""

    root: Path
    own_uids: bool

    @classmethod
    def open(cls, wanted: Path, instance: str, *, own_uids: bool) -> Workplaces:
        """Those below *wanted*, or below /tmp where other uids could not enter *wanted*; raises OSError.

        Leftovers of an earlier gateway of this instance are removed.
        """
        is_reachable = not own_uids or all(place.stat().st_mode & _OTHERS_MAY_ENTER for place in (wanted, *wanted.parents))
        root = wanted if is_reachable else Path(f"/tmp/omega-work-{os.geteuid()}-{instance}")
        root.mkdir(mode=0o711, exist_ok=True)
        found = root.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(f"{root} exists and does not belong to the spawner")
        places = cls(root, own_uids)
        places.sweep()
        return places

    def make(self, kernel_id: str, uid: int) -> str:
        """A new, empty work directory of *uid*; raises OSError."""
        work = self.root / kernel_id
        for place in (work, work / TEMPORARY):
            place.mkdir(mode=0o700)
        if self.own_uids:
            for place in (work / TEMPORARY, work):
                os.chown(place, uid, uid)
        return str(work)

    def remove(self, work_dir: str, uid: int) -> None:
        """Remove one; call it after the last process of its kernel."""
        if self.own_uids and uid != os.geteuid():
            answer_as(uid, lambda: empty(work_dir))
        else:
            empty(work_dir)
        try:
            os.rmdir(work_dir)
        except OSError:
            return  # the next sweep tries again

    def sweep(self) -> None:
        """Remove all; call it without kernels."""
        for left in self.root.iterdir():
            self.remove(str(left), left.lstat().st_uid)

    def close(self) -> None:
        """Remove all, and the root unless it belongs to the gateway."""
        self.sweep()
        try:
            self.root.rmdir()
        except OSError:
            return


def empty(folder: str) -> str:
    """Remove the contents of *folder*, however deep, unreadable or oddly named; returns the names that are left.

    Subdirectories are first moved up into *folder*, so that neither path nor stack grows with the depth of the tree.
    """
    try:
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        return str(error)
    try:
        before: list[str] = []
        while (names := os.listdir(top)) and names != before:
            for name in names:
                _remove_one(top, name)
            before = names
        return ", ".join(map(repr, names))
    finally:
        os.close(top)


def _remove_one(top: int, name: str) -> None:
    """Remove *name* from *top*; the directories in it come up to *top*, under unpredictable names."""
    if _unlink(top, name):
        return
    try:
        os.chmod(name, 0o700, dir_fd=top)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    except OSError:
        return
    try:
        for below in os.listdir(inner):
            if not _unlink(inner, below):
                os.chmod(below, 0o700, dir_fd=inner)
                os.rename(below, secrets.token_hex(16), src_dir_fd=inner, dst_dir_fd=top)
        os.rmdir(name, dir_fd=top)
    except OSError:
        return
    finally:
        os.close(inner)


def _unlink(folder: int, name: str) -> bool:
    """Remove anything but a directory; False for a directory."""
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        return False
    except OSError:
        return not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode)
    return True


def used(folder: str, most: int) -> tuple[int, int]:
    """Bytes and entries below *folder*; counting ends at *most* entries."""
    total, entries, waiting = 0, 0, [folder]
    while waiting and entries <= most:
        try:
            with os.scandir(waiting.pop()) as found:
                for entry in found:
                    entries += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entries > most:
                        break
        except OSError:
            continue  # gone, or not accessible: only the file system counts its contents
    return total, entries

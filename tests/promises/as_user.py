"""Run a command as an ordinary user: `python as_user.py UID COMMAND...`, started by root.

An interpreter below a directory that only root may enter (/root, often) could not be started by that user. So the command
gets a mount namespace in which such directories show what it needs and nothing else. No privilege is left.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
import tempfile
from pathlib import Path

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(done: int, what: str) -> None:
    if done != 0:
        raise OSError(ctypes.get_errno(), what)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [word if word is None else os.fsencode(word) for word in (source, target, kind)]
    _check(_libc.mount(*words, ctypes.c_ulong(flags), None if data is None else data.encode()), f"mount {target}")


def closed_above(path: Path) -> Path | None:
    """The uppermost directory on the way to *path* that others may not enter."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def _open_way(needed: list[Path]) -> None:
    """Show the *needed* paths where they are, also below directories closed to others."""
    hidden = [(path, closed) for path in needed if (closed := closed_above(path)) is not None]
    stage = tempfile.mkdtemp(prefix="omega-test-stage-")
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    _mount("stage", stage, "tmpfs", 0, "mode=0755")
    for at, (path, _) in enumerate(hidden):
        os.mkdir(f"{stage}/{at}")
        _mount(str(path), f"{stage}/{at}", None, MS_BIND | MS_REC)
    for closed in {closed for _, closed in hidden}:
        _mount("cover", str(closed), "tmpfs", 0, "mode=0755")
    for at, (path, _) in enumerate(hidden):
        path.mkdir(parents=True, mode=0o755, exist_ok=True)
        _mount(f"{stage}/{at}", str(path), None, MS_BIND | MS_REC)
    _check(_libc.umount2(os.fsencode(stage), 2), "umount2")
    os.rmdir(stage)


def needed_paths(pythons: list[str], folder: Path) -> list[Path]:
    """What a gateway of this checkout reads: the interpreters with what they are made from, and *folder*."""
    places = [folder]
    for python in pythons:
        found = Path(python)
        places += [found.parents[1].resolve(), found.resolve().parents[1]]
    return [path for path in dict.fromkeys(places) if path.is_dir()]


def main(uid: int, command: list[str]) -> None:
    """Become *uid* and execute *command*."""
    checkout = Path(__file__).resolve().parents[2]
    kernel_python = os.environ.get("OMEGA_KERNEL_PYTHON", "")
    _open_way(needed_paths([sys.executable, *([kernel_python] if kernel_python else [])], checkout))
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.environ.update(HOME=os.environ.get("TMPDIR", "/"), USER="tester")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

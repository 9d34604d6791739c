"""Where the sockets of this gateway's kernels live on the host, and how they are bound."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path

from gateway.core.errors import Unavailable
from kernels.contract import CHANNELS

BACKLOG = 8
WORK = "work"
"""Where kernels work at level L1; see kernels.spawner.workplace."""


def bind_channels(directory: Path) -> list[socket.socket]:
    """One listening socket per channel in a directory only this user can enter; raises OSError."""
    directory.mkdir(mode=0o700)
    listeners = []
    folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for channel in CHANNELS:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listeners.append(listener)
            # A kernel can ask by which name its sockets were bound: that must not tell where on the host they are.
            listener.bind(f"/proc/self/fd/{folder}/{channel}")
            listener.listen(BACKLOG)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    finally:
        os.close(folder)
    return listeners


def runtime_dir(instance: str) -> Path:
    """Where this gateway's kernel sockets live: short (a socket path has 107 bytes at most) and stable per instance."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if not base or len(base) > 40 or not os.access(base, os.W_OK):
        base = tempfile.gettempdir() if len(tempfile.gettempdir()) <= 40 else "/tmp"
    return Path(base) / f"omega-{os.getuid()}-{instance}"


def make_private(directory: Path) -> None:
    """An empty directory of ours with mode 0700; raises Unavailable when somebody else's thing is in its place.

    What is in its "work" is left to the spawner: kernels may have made that hard to remove (level L1).
    """
    if directory.is_symlink() or directory.exists():
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise Unavailable(f"{directory} exists and does not belong to the gateway: remove it")
        for left in directory.iterdir():
            if left.is_symlink() or not left.is_dir():
                left.unlink()
            elif left.name != WORK:
                shutil.rmtree(left)
    directory.mkdir(mode=0o700, exist_ok=True)
    (directory / WORK).mkdir(mode=0o711, exist_ok=True)

"""Directories of added packages: shown to kernels when they are what they seem to be, and the gateway's."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from kernels.sandbox.extra_dir import ExtraDir


def showable(paths: Iterable[str], uid: int) -> tuple[ExtraDir, ...]:
    """Those of *paths* that are directories of *uid* (-1: anybody's) this process can look into, opened."""
    return tuple(extra for path in paths if (extra := _open(path, uid)) is not None)


def _open(path: str, uid: int) -> ExtraDir | None:
    try:
        extra = ExtraDir.open(path)
    except OSError as error:
        # A link on the way is one: what it leads to would be shown with the spawner's eyes, not the gateway's.
        sys.stderr.write(f"spawner: kernels do not see added packages: {path[:500]!r}: {error.strerror}\n")
        return None
    if uid not in (-1, extra.owner):
        extra.close()
        sys.stderr.write(f"spawner: {path[:500]!r} does not belong to the gateway: kernels do not see it\n")
        return None
    return extra

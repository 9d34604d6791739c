"""Directories of added packages, shown to kernels if they are real directories of the gateway."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from kernels.sandbox.extra_dir import ExtraDir


def showable(paths: Iterable[str], uid: int) -> tuple[ExtraDir, ...]:
    """Those of *paths* that are readable directories of *uid* (-1: any owner), opened."""
    return tuple(extra for path in paths if (extra := _open(path, uid)) is not None)


def _open(path: str, uid: int) -> ExtraDir | None:
    try:
        extra = ExtraDir.open(path)
    except OSError as error:
        # So is a link in the path: it would be followed with the spawner's permissions, not the gateway's.
        sys.stderr.write(f"spawner: kernels do not see added packages: {path[:500]!r}: {error.strerror}\n")
        return None
    if uid not in (-1, extra.owner):
        extra.close()
        sys.stderr.write(f"spawner: {path[:500]!r} does not belong to the gateway: kernels do not see it\n")
        return None
    return extra

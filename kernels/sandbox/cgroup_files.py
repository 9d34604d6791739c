"""Reading and writing control group files, and emptying and removing a group; the same in both versions."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from kernels.sandbox import sysc

_PAUSE_S: Final = 0.005
_KILL_TRIES: Final = 400
_REMOVE_TRIES: Final = 40


def write(group: Path, name: str, value: int | str) -> None:
    """Set one file of *group* by a single write; raises OSError when the kernel refuses it."""
    sysc.write_whole(str(group / name), str(value))


def read_number(group: Path, name: str) -> int:
    """The number in one file of *group*; 0 where there is no such file or no number."""
    try:
        return int(sysc.read_whole(str(group / name)).strip() or 0)
    except (OSError, ValueError):
        return 0


def read_keyed(group: Path, name: str, key: str) -> int:
    """The number after *key* in a file of lines `key number`; 0 where there is none."""
    try:
        lines = sysc.read_whole(str(group / name)).splitlines()
        return next((int(line.split()[1]) for line in lines if line.split()[:1] == [key]), 0)
    except (OSError, ValueError, IndexError):
        return 0


def members(group: Path) -> list[int]:
    """The processes in *group* itself, as this process numbers them."""
    try:
        return [int(line) for line in sysc.read_whole(str(group / "cgroup.procs")).split()]
    except (OSError, ValueError):
        return []


def kill_members(group: Path) -> bool:
    """SIGKILL everything in *group* and below until it is empty; False if a process is still alive after two seconds.

    Repeated, because a fork may outrun one pass.
    """
    for _attempt in range(_KILL_TRIES):
        pids = {pid for place in (group, *_below(group)) for pid in members(place)} - {0, os.getpid()}
        if not pids:
            return True
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)
    return False


def reclaim(group: Path) -> None:
    """Make Linux release the file cache of *group*, whose members are all dead; never fails.

    Pages charged to a group keep it in Linux after its directory is gone: files of the host whose first reader was a
    member, until memory is short. Version 1 has a file to give all back, version 2 one (since Linux 5.19) to say how much.
    Not memory.stat tells whether there is any: it is late by up to two seconds.
    """
    with contextlib.suppress(OSError):
        if (group / "memory.force_empty").exists():
            if read_number(group, "memory.usage_in_bytes") > read_number(group, "memory.kmem.usage_in_bytes"):
                write(group, "memory.force_empty", 0)
        elif (group / "memory.reclaim").exists():
            write(group, "memory.reclaim", read_number(group, "memory.current"))


def remove(group: Path) -> bool:
    """Remove *group* and the groups below it; False if it stays busy. A missing group counts as removed."""
    for _attempt in range(_REMOVE_TRIES):
        try:
            for place in (*_below(group), group):
                place.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            time.sleep(_PAUSE_S)
        else:
            return True
    return False


def _below(group: Path) -> list[Path]:
    """Every group below *group*, the deepest first."""
    return [Path(place) for place, _names, _files in os.walk(group, topdown=False) if place != str(group)]


def _clear(group: Path) -> bool:
    """Kill the members of *group* and remove it; False if it stays busy."""
    if not kill_members(group):
        return False
    reclaim(group)
    return remove(group)


def sweep(trees: Iterable[Path], name: str, keep: frozenset[Path]) -> list[str]:
    """Empty and remove each group called *name* in *trees* (those of *keep* are only emptied); returns what is left."""
    stayed: list[str] = []
    for tree in trees:
        for found in [Path(place, name) for place, names, _files in os.walk(tree) if name in names]:
            inner = [entry for entry in found.iterdir() if entry.is_dir()]
            stayed += [str(entry) for entry in inner if not _clear(entry)]
            if found not in keep and not remove(found):
                stayed.append(str(found))
    return stayed

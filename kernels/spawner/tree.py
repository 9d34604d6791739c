"""Finding processes that became the spawner's children without its knowing them."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def children_of(parent: int, proc: Path = Path("/proc")) -> list[int]:
    """The pids whose parent is *parent*, dead but unreaped ones included."""
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name in parentheses may itself hold spaces and parentheses: split after the last one.
            state, ppid = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if int(ppid) == parent and state != "X":
            found.append(int(entry.name))
    return found


def kill_orphans(known: set[int]) -> int:
    """Kill and reap every child of this process that is not *known*, until there are none; how many there were.

    A dead kernel's processes come to the spawner as their reaper, each with its own children after it dies in turn.
    """
    killed = 0
    for _ in range(1000):
        strangers = [pid for pid in children_of(os.getpid()) if pid not in known]
        if not strangers:
            return killed
        for stop in (signal.SIGSTOP, signal.SIGKILL):
            for pid in strangers:
                try:
                    os.kill(pid, stop)
                except ProcessLookupError:
                    continue
        for pid in strangers:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                continue
        killed += len(strangers)
    return killed

"""The process tree: all descendants of a kernel, and unknown children of the spawner."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path

from kernels.sandbox import sysc


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


def descendants(roots: Iterable[int], proc: Path = Path("/proc")) -> dict[int, int]:
    """The live processes *roots* and all below them, each with its number of threads.

    It reads process by process, so its cost depends on this kernel, not on the machine.
    """
    found: dict[int, int] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in found:
            continue
        try:
            threads = os.listdir(proc / str(pid) / "task")
        except OSError:
            continue
        found[pid] = len(threads)
        for thread in threads:
            waiting += _children_of_thread(proc / str(pid) / "task" / thread / "children")
    return found


def _children_of_thread(path: Path) -> list[int]:
    try:
        return [int(word) for word in sysc.read_whole(str(path)).split()]
    except (OSError, ValueError):
        return []


def is_own_child(pid: int) -> bool:
    """Whether Linux reports that *pid* is an unreaped child of this process.

    Asked before anything found under /proc is killed: that may show another pid namespace than the one this process kills
    in. The answer holds until the child is reaped, which only this process can do.
    """
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def strangers(known: set[int]) -> list[int]:
    """Children of this process that are not *known*, found without reading all processes of the machine."""
    return [pid for pid in _children_of_thread(Path("/proc/thread-self/children")) if pid not in known and is_own_child(pid)]


def kill_orphans(known: set[int]) -> int:
    """Kill and reap every child of this process that is not *known*, until there are none; returns their number.

    A dead kernel's processes come to the spawner as their reaper, each with its own children after it dies in turn.
    """
    killed = 0
    for _ in range(1000):
        found = [pid for pid in children_of(os.getpid()) if pid not in known and is_own_child(pid)]
        if not found:
            return killed
        for stop in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                try:
                    os.kill(pid, stop)
                except ProcessLookupError:
                    continue
        for pid in found:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                continue
        killed += len(found)
    return killed

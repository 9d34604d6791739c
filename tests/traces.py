"""What a gateway could leave behind on the machine: processes, cgroups, mounts, sockets. Taken before and compared after."""

from __future__ import annotations

import contextlib
import ctypes
import os
from dataclasses import dataclass, fields
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """From now on whoever loses his parent below this process becomes its child, and is found by take()."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def reap_adopted() -> None:
    """Wait for every ended child, as init would: until then its pid namespace can't end. Nobody else may be waiting."""
    for pid in children(os.getpid()):
        if _state(pid) == "Z":
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


@dataclass(frozen=True, slots=True)
class Traces:
    """What is there at one moment, each as words that a failing test can show."""

    processes: frozenset[str]
    cgroups: frozenset[str]
    mounts: frozenset[str]
    sockets: frozenset[str]

    def beyond(self, before: Traces) -> list[str]:
        """What is here and was not there *before*."""
        return sorted(
            f"{item.name}: {left}" for item in fields(self) for left in getattr(self, item.name) - getattr(before, item.name)
        )


def take(instance: str = "*") -> Traces:
    """All traces of this moment; cgroups and sockets only of the gateway *instance*: others may be served here too."""
    return Traces(
        processes=frozenset(_describe(pid) for pid in descendants(os.getpid())),
        cgroups=frozenset(_cgroups(instance)),
        mounts=frozenset(Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()),
        sockets=frozenset(_unix_sockets(instance)),
    )


def dying_groups() -> int:
    """Control groups that Linux keeps though their directories are gone; a constant more where not all are shown."""
    memory = Path("/sys/fs/cgroup/memory")
    if not memory.is_dir():
        lines = Path("/sys/fs/cgroup/cgroup.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("nr_dying_descendants "))
    counted = next(line.split()[2] for line in Path("/proc/cgroups").read_text().splitlines() if line.startswith("memory\t"))
    return int(counted) - sum(1 for _ in os.walk(memory))


def descendants(pid: int) -> list[int]:
    """The live processes below *pid*, those in pid namespaces of their own included; zombies do not count."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for child in children(waiting.pop()):
            waiting.append(child)
            if _state(child) not in ("Z", "X", ""):
                found.append(child)
    return found


def start_time(pid: int) -> str:
    """When *pid* started, in ticks: together with the number it names one process for good. Empty when it is gone."""
    parts = _stat(pid)
    return parts[19] if parts else ""


def parent(pid: int) -> int:
    """The process that *pid* is a child of; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # without Path, as every process of the machine is asked
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def children(pid: int) -> list[int]:
    """The processes that *pid* started itself, zombies included; none when it is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # the process, or one of its threads, ended while we looked
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; the name before them may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _state(pid: int) -> str:
    parts = _stat(pid)  # read once: it may end meanwhile
    return parts[0] if parts else ""


def _describe(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        words = ""
    return f"{pid} started {start_time(pid)}, state {_state(pid) or 'gone'}: {words[:200].strip() or 'ending'}"


def _cgroups(instance: str) -> list[str]:
    """Directories that spawners made, in every hierarchy of cgroup v1 and in v2."""
    root = Path("/sys/fs/cgroup")
    return [str(path) for depth in ("", "*/", "*/*/") for path in root.glob(f"{depth}omega-{instance}")]


def _unix_sockets(instance: str) -> list[str]:
    """The paths of bound sockets of the gateway *instance* below the directories of tests/live.py."""
    lines = Path("/proc/net/unix").read_text("utf-8", "replace").splitlines()[1:]
    paths = [parts[7] for parts in (line.split(maxsplit=7) for line in lines) if len(parts) == 8]
    return [path for path in paths if "omega-test-" in path and (instance == "*" or f"-{instance}/" in path)]

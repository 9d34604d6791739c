"""Control groups, version 1: one tree per controller, so a kernel's group is a directory in each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kernels.contract import Policy
from kernels.sandbox import cgroup_files as files

REQUIRED: Final = ("memory", "pids")
OPTIONAL: Final = ("cpu", "cpuacct")
_PERIOD_US: Final = 100_000
_SHARES: Final = 512
"""Half the default: under load the gateway and the host have priority."""
_SOCKET_SHARE: Final = 8
"""One part in so many of the memory may wait in TCP and UDP sockets. Version 1 counts that apart, and only where it has a
limit; without one a single kernel takes all that Linux has for the sockets of the whole machine."""


@dataclass(frozen=True, slots=True)
class GroupV1:
    """One kernel's directories, by controller; controllers mounted together share one."""

    places: dict[str, Path]

    def limit(self, policy: Policy, memory_bytes: int) -> None:
        """Bound memory with swap, processes and CPU of all members together."""
        memory = self.places["memory"]
        files.write(memory, "memory.limit_in_bytes", memory_bytes)
        if (memory / "memory.memsw.limit_in_bytes").exists():
            files.write(memory, "memory.memsw.limit_in_bytes", memory_bytes)
        if (memory / "memory.kmem.tcp.limit_in_bytes").exists():
            files.write(memory, "memory.kmem.tcp.limit_in_bytes", memory_bytes // _SOCKET_SHARE)
        files.write(self.places["pids"], "pids.max", policy.processes)
        if cpu := self.places.get("cpu"):
            files.write(cpu, "cpu.cfs_period_us", _PERIOD_US)
            files.write(cpu, "cpu.cfs_quota_us", max(1000, int(policy.cpu_cores * _PERIOD_US)))
            files.write(cpu, "cpu.shares", _SHARES)

    def attach(self, pid: int) -> None:
        """Make *pid*, with all its threads, a member."""
        for place in dict.fromkeys(self.places.values()):
            files.write(place, "cgroup.procs", pid)

    def out_of_memory(self) -> bool:
        """Whether the memory limit killed a member."""
        return self.oom_kills() > 0

    def oom_kills(self) -> int:
        """How many members the memory limit has killed."""
        return files.read_keyed(self.places["memory"], "memory.oom_control", "oom_kill")

    def peak_bytes(self) -> int:
        """The peak memory of the members together."""
        return files.read_number(self.places["memory"], "memory.max_usage_in_bytes")

    def cpu_s(self) -> float:
        """The CPU time of the members so far."""
        place = self.places.get("cpuacct")
        return files.read_number(place, "cpuacct.usage") / 1e9 if place else 0.0

    def kill(self) -> bool:
        """Kill every member; False if one is still alive."""
        return files.kill_members(self.places["pids"])

    def remove(self) -> bool:
        """Remove the directories and the members' file cache; False if one stays busy."""
        files.reclaim(self.places["memory"])
        removed = [files.remove(place) for place in dict.fromkeys(self.places.values())]
        return all(removed)


@dataclass(frozen=True, slots=True)
class HierarchyV1:
    """This gateway's directory in each controller's tree."""

    places: dict[str, Path]
    trees: tuple[Path, ...]

    def prepare(self) -> None:
        """Make the directories; raises OSError where that is not allowed."""
        for place in dict.fromkeys(self.places.values()):
            place.mkdir(exist_ok=True)
        memory = self.places["memory"]
        if files.read_number(memory, "memory.use_hierarchy") == 0 and (memory / "memory.use_hierarchy").exists():
            files.write(memory, "memory.use_hierarchy", 1)

    def group(self, name: str) -> GroupV1:
        """The group of one kernel, created if missing."""
        places = {controller: place / name for controller, place in self.places.items()}
        for place in dict.fromkeys(places.values()):
            place.mkdir(exist_ok=True)
        return GroupV1(places)

    def sweep(self) -> list[str]:
        """Kill and remove the leftovers of earlier runs of this gateway anywhere in the trees; returns what is left."""
        return files.sweep(self.trees, self.places["memory"].name, keep=frozenset(self.places.values()))

    def remove(self) -> bool:
        """Remove this gateway's own, empty directories."""
        removed = [files.remove(place) for place in dict.fromkeys(self.places.values())]
        return all(removed)


def find_v1(prefix: str, mountinfo: str, own_groups: str) -> HierarchyV1 | None:
    """The trees of version 1 as this process sees them, or None when a required controller is not mounted.

    *mountinfo* and *own_groups* are the texts of /proc/self/mountinfo and /proc/self/cgroup. The gateway's groups are made
    below the group it runs in, so that limits set on it from outside keep holding.
    """
    own = dict(_own_paths(own_groups))
    places: dict[str, Path] = {}
    trees: list[Path] = []
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        if not separator or after.split()[0] != "cgroup":
            continue
        mount_root, mount_point = before.split()[3:5]
        for controller in after.split()[-1].split(","):
            if controller in (*REQUIRED, *OPTIONAL) and controller in own and controller not in places:
                places[controller] = below_mount(mount_point, mount_root, own[controller]) / prefix
                trees.append(Path(mount_point))
    return HierarchyV1(places, tuple(dict.fromkeys(trees))) if all(name in places for name in REQUIRED) else None


def _own_paths(own_groups: str) -> list[tuple[str, str]]:
    """Controller and path of each version 1 line of /proc/self/cgroup."""
    parts = [line.split(":", 2) for line in own_groups.splitlines() if line.count(":") >= 2]
    return [(name, path) for _number, names, path in parts for name in names.split(",") if name]


def below_mount(mount_point: str, mount_root: str, path: str) -> Path:
    """Where the group *path* is found when *mount_root* of the tree is mounted at *mount_point*."""
    if mount_root != "/":
        path = path[len(mount_root) :] if path == mount_root or path.startswith(mount_root + "/") else "/"
    place = Path(mount_point + "/" + path.strip("/"))
    return place if ".." not in place.parts and place.is_dir() else Path(mount_point)

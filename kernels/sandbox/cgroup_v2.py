"""Control groups, version 2: one tree, in which a group holds either processes or further groups with limits."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kernels.contract import Policy
from kernels.sandbox import cgroup_files as files
from kernels.sandbox.cgroup_v1 import below_mount

REQUIRED: Final = ("memory", "pids")
OPTIONAL: Final = ("cpu",)
_PERIOD_US: Final = 100_000
_WEIGHT: Final = 50
"""Half the default: under load the gateway and the host have priority."""
_DELEGATED: Final = ("user.delegate", "trusted.delegate")


@dataclass(frozen=True, slots=True)
class GroupV2:
    """One kernel's group."""

    place: Path

    def limit(self, policy: Policy, memory_bytes: int) -> None:
        """Bound memory without swap, processes and CPU of all members together."""
        files.write(self.place, "memory.max", memory_bytes)
        if (self.place / "memory.swap.max").exists():
            files.write(self.place, "memory.swap.max", 0)
        files.write(self.place, "pids.max", policy.processes)
        if (self.place / "cpu.max").exists():
            quota_us = max(1000, int(policy.cpu_cores * _PERIOD_US))
            files.write(self.place, "cpu.max", f"{quota_us} {_PERIOD_US}")
            files.write(self.place, "cpu.weight", _WEIGHT)

    def attach(self, pid: int) -> None:
        """Make *pid*, with all its threads, a member."""
        files.write(self.place, "cgroup.procs", pid)

    def out_of_memory(self) -> bool:
        """Whether the memory limit killed a member."""
        return self.oom_kills() > 0

    def oom_kills(self) -> int:
        """How many members the memory limit has killed."""
        return files.read_keyed(self.place, "memory.events", "oom_kill")

    def peak_bytes(self) -> int:
        """The peak memory of the members together; the current memory if this Linux keeps no peak."""
        return files.read_number(self.place, "memory.peak") or files.read_number(self.place, "memory.current")

    def cpu_s(self) -> float:
        """The CPU time of the members so far."""
        return files.read_keyed(self.place, "cpu.stat", "usage_usec") / 1e6

    def kill(self) -> bool:
        """Kill every member, in one call if this Linux can; False if one is still alive."""
        if (self.place / "cgroup.kill").exists():
            files.write(self.place, "cgroup.kill", 1)
        return files.kill_members(self.place)

    def remove(self) -> bool:
        """Remove the group and its members' file cache; False if it stays busy."""
        files.reclaim(self.place)
        return files.remove(self.place)


@dataclass(frozen=True, slots=True)
class HierarchyV2:
    """This gateway's group, below *parent*, from which the controllers have to be handed down."""

    parent: Path
    place: Path
    tree: Path

    def prepare(self) -> None:
        """Make the group and hand it the controllers; raises OSError where that is not allowed."""
        missing = set(REQUIRED) - _words(self.parent / "cgroup.controllers")
        if missing:
            raise OSError(errno.ENOENT, f"no {', '.join(sorted(missing))} controller in {self.parent}")
        try:
            _enable(self.parent)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            self._move_out()
            _enable(self.parent)
        self.place.mkdir(exist_ok=True)
        _enable(self.place)

    def _move_out(self) -> None:
        """A group that hands down controllers may hold no process: put those of *parent* into a leaf of their own."""
        leaf = self.parent / f"{self.place.name}.gateway"
        leaf.mkdir(exist_ok=True)
        for pid in files.members(self.parent):
            try:
                files.write(leaf, "cgroup.procs", pid)
            except ProcessLookupError:
                continue

    def group(self, name: str) -> GroupV2:
        """The group of one kernel, created if missing."""
        (self.place / name).mkdir(exist_ok=True)
        return GroupV2(self.place / name)

    def sweep(self) -> list[str]:
        """Kill and remove the leftovers of earlier runs of this gateway anywhere in the tree; returns what is left."""
        return files.sweep((self.tree,), self.place.name, keep=frozenset((self.place,)))

    def remove(self) -> bool:
        """Remove this gateway's own, empty group."""
        return files.remove(self.place)


def find_v2(prefix: str, mountinfo: str, own_groups: str) -> list[HierarchyV2]:
    """The places in the tree of version 2 where groups may be possible, the best first; trying decides.

    The group this process runs in comes first where it was handed to us (delegated, or the root of a container's view), so
    that limits set on it keep holding. A group that is not ours is never rearranged; the top of the tree is for root alone.
    """
    own = next((line.split(":", 2)[2] for line in own_groups.splitlines() if line.startswith("0::")), None)
    point = _mount_of_v2(mountinfo)
    if own is None or point is None:
        return []
    mount_root, mount_point = point
    here, top = below_mount(mount_point, mount_root, own), Path(mount_point)
    parents = [here] if _is_ours(here, top) else []
    if os.geteuid() == 0 and top not in parents:
        parents.append(top)
    return [HierarchyV2(parent, parent / prefix, top) for parent in parents]


def _mount_of_v2(mountinfo: str) -> tuple[str, str] | None:
    """Root and mount point of the first version 2 tree mounted."""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        if separator and after.split()[0] == "cgroup2":
            fields = before.split()
            return fields[3], fields[4]
    return None


def _is_ours(place: Path, top: Path) -> bool:
    """Whether *place* was delegated: marked so, owned by this uid, or the top of the visible tree."""
    if place == top:
        return True
    try:
        if os.geteuid() != 0 and place.stat().st_uid == os.geteuid():
            return True
        marks = [os.getxattr(place, name) for name in os.listxattr(place) if name in _DELEGATED]
    except OSError:
        return False
    return b"1" in marks


def _words(path: Path) -> set[str]:
    try:
        return set(path.read_text().split())
    except OSError:
        return set()


def _enable(place: Path) -> None:
    """Enable the controllers in the groups below *place*; optional ones only if they exist."""
    there = _words(place / "cgroup.controllers")
    wanted = [name for name in (*REQUIRED, *OPTIONAL) if name in there or name in REQUIRED]
    missing = [name for name in wanted if name not in _words(place / "cgroup.subtree_control")]
    if missing:
        files.write(place, "cgroup.subtree_control", " ".join(f"+{name}" for name in missing))

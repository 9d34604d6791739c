"""Control groups: hard limits on all processes of a kernel together, and their resource usage.

The kind is found by trying: version 2 if a subtree is usable, else version 1, else none; then only the limits per
process and the watchdog remain. Groups are named <prefix>/<kernel id>, and a prefix belongs to one gateway's state
directory, so that a gateway finds the leftovers of its killed predecessor and touches no other gateway's groups.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from kernels.contract import MIB, Policy
from kernels.sandbox.cgroup_v1 import GroupV1, HierarchyV1, find_v1
from kernels.sandbox.cgroup_v2 import GroupV2, HierarchyV2, find_v2

Kind = Literal["v2", "v1", "none"]
OVERHEAD_BYTES: Final = 64 * MIB
"""Memory of an interpreter in addition to the caller's data: pages shared with the zygote until it writes to them.
With it a program meets MemoryError in its own process before the group's limit kills it."""
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")


@dataclass(frozen=True, slots=True)
class KernelCgroup:
    """One kernel's control group; without control groups it limits and reports nothing."""

    kernel_id: str
    group: GroupV1 | GroupV2 | None

    def attach(self, pid: int) -> None:
        """Put *pid* and its future children under the limits; raises OSError if that fails."""
        if self.group:
            self.group.attach(pid)

    def out_of_memory(self) -> bool:
        """Whether the memory limit has killed one of its processes."""
        return self.oom_kills() > 0

    def oom_kills(self) -> int:
        """How many of its processes the memory limit has killed."""
        return self.group.oom_kills() if self.group else 0

    def peak_bytes(self) -> int:
        """The peak memory of its processes together; 0 if unknown."""
        return self.group.peak_bytes() if self.group else 0

    def cpu_s(self) -> float:
        """The CPU time of its processes; 0 if unknown."""
        return self.group.cpu_s() if self.group else 0.0

    def kill(self) -> bool:
        """Kill all its processes; False if one is still alive after two seconds."""
        return self.group.kill() if self.group else True

    def remove(self) -> bool:
        """Remove the empty group, and its members' file cache; False if it stays busy."""
        return self.group.remove() if self.group else True


@dataclass(frozen=True, slots=True)
class Cgroups:
    """This gateway's control groups. *refused* gives the reasons why a better kind is not usable."""

    kind: Kind
    hierarchy: HierarchyV1 | HierarchyV2 | None
    refused: tuple[str, ...] = ()

    @classmethod
    def open(cls, name_prefix: str, proc: Path = Path("/proc/self")) -> Cgroups:
        """The best kind that works here, proven by making and limiting a group; never raises for lack of privileges.

        *proc* holds `mountinfo` and `cgroup` as in /proc/self.
        """
        _checked(name_prefix)
        mountinfo, own = _text(proc / "mountinfo"), _text(proc / "cgroup")
        refused: list[str] = []
        candidates: list[tuple[Kind, HierarchyV1 | HierarchyV2]] = [
            ("v2", found) for found in find_v2(name_prefix, mountinfo, own)
        ]
        if first := find_v1(name_prefix, mountinfo, own):
            candidates.append(("v1", first))
        for kind, hierarchy in candidates:
            try:
                _prove(hierarchy)
            except OSError as error:
                refused.append(f"{kind}: {error.strerror or error}")
                hierarchy.remove()
            else:
                return cls(kind, hierarchy, tuple(refused))
        return cls("none", None, tuple(refused))

    def create(self, kernel_id: str, policy: Policy) -> KernelCgroup:
        """A group for one kernel with the limits of *policy*; raises OSError and then leaves nothing behind."""
        if self.hierarchy is None:
            return KernelCgroup(kernel_id, None)
        group = self.hierarchy.group(_checked(kernel_id))
        try:
            group.limit(policy, policy.memory_bytes + OVERHEAD_BYTES)
        except OSError:
            group.remove()
            raise
        return KernelCgroup(kernel_id, group)

    def sweep(self) -> list[str]:
        """Kill and remove the leftovers of an earlier gateway of this prefix; returns what could not be removed.

        It searches the whole tree, because the earlier one may have run in another group. Call it before create().
        """
        return self.hierarchy.sweep() if self.hierarchy else []

    def close(self) -> bool:
        """Remove this gateway's own group; False when a kernel's is still in it."""
        return self.hierarchy.remove() if self.hierarchy else True


def _checked(name: str) -> str:
    """*name* if it is one plain directory name; raises ValueError, so that no packet can name a group elsewhere."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a control group")
    return name


def _prove(hierarchy: HierarchyV1 | HierarchyV2) -> None:
    """Make, limit and remove one group, or raise OSError."""
    hierarchy.prepare()
    group = hierarchy.group("trial")
    try:
        group.limit(Policy(), Policy().memory_bytes)
    finally:
        group.remove()


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""

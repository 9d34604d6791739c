"""What the gateway's processes cost: memory from smaps_rollup, processor time from stat."""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.traces import descendants

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MIB = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one or more processes, in MiB: *pss* shares what is shared among its users, *uss* is theirs alone."""

    pss: float
    uss: float

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.pss + other.pss, self.uss + other.uss)


def memory(pid: int) -> Memory:
    """What *pid* holds now."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.M)}
    return Memory(kib["Pss"] / MIB, (kib["Private_Clean"] + kib["Private_Dirty"]) / MIB)


def kernels(gateway_pid: int) -> list[Memory]:
    """Each idle kernel with its init: all processes of one pid namespace that is not the gateway's."""
    families: dict[str, list[int]] = defaultdict(list)
    own = _namespace(gateway_pid)
    for pid in descendants(gateway_pid):
        if (namespace := _namespace(pid)) not in (own, ""):
            families[namespace].append(pid)
    found = []
    for members in families.values():
        with contextlib.suppress(OSError):  # the pool replaced it while we read
            found.append(sum((memory(pid) for pid in members), Memory(0, 0)))
    return found


def helpers(gateway_pid: int) -> dict[str, int]:
    """The gateway's own processes by what they are: gateway, spawner, zygote."""
    own = _namespace(gateway_pid)
    outside = [pid for pid in descendants(gateway_pid) if _namespace(pid) == own]
    return {"gateway": gateway_pid, **{_role(pid): pid for pid in outside}}


def cpu_s(pid: int) -> float:
    """Processor time *pid* has used itself, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _role(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return "spawner" if "kernels.spawner" in words else "zygote"


def _namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""

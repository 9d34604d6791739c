"""Measures the processor time and memory of one run, as seen by the kernel's process."""

from __future__ import annotations

import resource
from typing import Any

KIB = 1024
_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


class UsageMeter:
    """Created before a run, read after it."""

    def __init__(self) -> None:
        self._cpu_s = _cpu_s()

    def read(self) -> dict[str, Any]:
        """Processor seconds of this run with its children, and the process's peak resident memory.

        The memory counts pages shared with the zygote too; what the kernel's limit counts is in its cgroup.
        """
        peak = max(resource.getrusage(who).ru_maxrss for who in _WHO)
        return {"cpu_s": round(_cpu_s() - self._cpu_s, 6), "peak_bytes": peak * KIB}


def _cpu_s() -> float:
    total = 0.0
    for who in _WHO:
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total

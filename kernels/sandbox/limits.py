"""Resource limits that every process of a kernel inherits and none can raise."""

from __future__ import annotations

import resource
from typing import Final

from kernels.contract import Policy

_CPU_GRACE_S: Final = 5
_MEMLOCK_BYTES: Final = 64 * 1024
_PENDING_SIGNALS: Final = 1024
MOST_SHARERS: Final = 32


def limit_resources(policy: Policy, data_baseline_bytes: int) -> None:
    """Bound memory, files, CPU and the rest per process.

    RLIMIT_DATA counts what the zygote had at the fork, so that is added: past the limit Python raises MemoryError. RLIMIT_AS
    is left alone, because runtimes reserve address space they never use. CORE is 1, since 0 still runs a core helper.
    """
    data_bytes = data_baseline_bytes + policy.memory_bytes
    for kind, soft, hard in (
        (resource.RLIMIT_CORE, 1, 1),
        (resource.RLIMIT_DATA, data_bytes, data_bytes),
        (resource.RLIMIT_NOFILE, policy.open_files, policy.open_files),
        (resource.RLIMIT_FSIZE, policy.file_bytes, policy.file_bytes),
        (resource.RLIMIT_CPU, policy.cpu_s, policy.cpu_s + _CPU_GRACE_S),
        (resource.RLIMIT_MEMLOCK, _MEMLOCK_BYTES, _MEMLOCK_BYTES),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_NICE, 0, 0),
        (resource.RLIMIT_RTPRIO, 0, 0),
    ):
        _lower(kind, soft, hard)


def limit_processes(policy: Policy, *, sharers: int = 1) -> None:
    """Bound processes, threads and signals that wait. Counted per user namespace, so this comes after it was made: set
    earlier, it would also bind the sum over all kernels that share a host uid. Where they share one and have no namespace
    (*sharers*), it is that sum which is bound; the watchdog bounds the processes of each."""
    most = policy.processes * sharers
    _lower(resource.RLIMIT_NPROC, most, most)
    _lower(resource.RLIMIT_SIGPENDING, _PENDING_SIGNALS, _PENDING_SIGNALS)


def _lower(kind: int, soft: int, hard: int) -> None:
    """Set one limit, never above the current hard limit, which only a privileged process can raise."""
    _soft, ceiling = resource.getrlimit(kind)
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(kind, (soft, hard))
    if resource.getrlimit(kind) != (soft, hard):
        raise OSError(1, f"resource limit {kind} did not take")

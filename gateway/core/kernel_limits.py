"""One row per limit of a kernel; settings, options of keys, kernelspecs and documents are made from these rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kernels.contract import MIB, Policy

FILE_SYSTEMS: Final = ("work_mb", "tmp_mb", "shm_mb")
"""Their contents count as memory, so their sum must stay below the memory limit."""


@dataclass(frozen=True, slots=True)
class KernelLimit:
    """One limit: the setting *name* sets the field *policy* of contract.Policy, in units of *unit*.

    *key_about* describes it as a limit of a key ("" if keys have none); *is_in_kernelspecs*: whether a kernelspec
    may set it.
    """

    name: str
    policy: str
    default: float
    low: float
    high: float
    about: str
    unit: int = 1
    is_whole: bool = True
    key_about: str = ""
    is_in_kernelspecs: bool = True

    def fit(self, value: object) -> float:
        """*value*; raises ValueError with the allowed range if it is outside."""
        kinds = int if self.is_whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not self.low <= value <= self.high:
            kind = "a whole number" if self.is_whole else "a number"
            raise ValueError(f"{self.name} is {value!r}: use {kind} from {self.low:g} to {self.high:.0f}")
        return value

    def scale(self, value: float) -> float:
        """*value* in the unit of the policy."""
        return value * self.unit


KERNEL_LIMITS: Final = (
    KernelLimit(
        "memory_mb",
        "memory_bytes",
        512,
        64,
        1_048_576,
        "memory of one kernel",
        unit=MIB,
        key_about="memory of one kernel, in MB",
    ),
    KernelLimit("work_mb", "work_bytes", 128, 1, 1_048_576, "size of a kernel's work directory", unit=MIB),
    KernelLimit("tmp_mb", "tmp_bytes", 64, 1, 1_048_576, "size of a kernel's /tmp", unit=MIB),
    KernelLimit("shm_mb", "shm_bytes", 64, 1, 1_048_576, "size of a kernel's /dev/shm", unit=MIB),
    KernelLimit(
        "processes",
        "processes",
        128,
        4,
        32_768,
        "processes and threads of one kernel",
        key_about="processes and threads of one kernel",
    ),
    KernelLimit("open_files", "open_files", 512, 64, 1_048_576, "open files of one process in a kernel"),
    KernelLimit(
        "cpu_cores",
        "cpu_cores",
        1,
        0.05,
        1024,
        "processor cores one kernel may use",
        is_whole=False,
        key_about="processor cores one kernel may use",
    ),
    KernelLimit(
        "cpu_s",
        "cpu_s",
        86_400,
        1,
        315_360_000,
        "processor time of one process in a kernel",
        is_in_kernelspecs=False,
    ),
)
IN_KERNELSPECS: Final = tuple(limit.name for limit in KERNEL_LIMITS if limit.is_in_kernelspecs)
"""The settings that a kernelspec may have in `limits`."""
_BY_NAME: Final = {limit.name: limit for limit in KERNEL_LIMITS}


def kernel_limit(name: str) -> KernelLimit:
    """The row of the limit *name*; raises KeyError for an unknown name."""
    return _BY_NAME[name]


def policy_of(values: Mapping[str, float]) -> Policy:
    """The limits of a kernel, from the given values and the defaults of the other rows."""
    given = {limit.name: values.get(limit.name, limit.default) for limit in KERNEL_LIMITS}
    scaled = {limit.policy: limit.scale(given[limit.name]) for limit in KERNEL_LIMITS}
    file_bytes = MIB * max(given[name] for name in FILE_SYSTEMS)
    return Policy(**scaled, file_bytes=file_bytes)  # type: ignore[arg-type]  # each is whole or not as its row says


def find_conflict(values: Mapping[str, float]) -> str:
    """One sentence about contradicting limits; "" if there are none."""
    given = {limit.name: values.get(limit.name, limit.default) for limit in KERNEL_LIMITS}
    files_mb, memory_mb = sum(given[name] for name in FILE_SYSTEMS), given["memory_mb"]
    if files_mb < memory_mb:
        return ""
    return f"{' + '.join(FILE_SYSTEMS)} is {files_mb:g}: it must be below memory_mb, which is {memory_mb:g}"

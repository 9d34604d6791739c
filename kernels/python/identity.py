"""What one kernel has of its own, although all kernels of a zygote are copies of one process."""

from __future__ import annotations

from kernels.python.parts import PythonParts
from kernels.serving.identity import sign


def rename(parts: PythonParts, kernel_id: str, key: str) -> None:
    """Make the kernel at rest the one called *kernel_id*, whose messages are signed with *key*."""
    sign(parts.session, parts.kernel, kernel_id, key)
    parts.kernel.shell.displayhook.topic = parts.kernel._topic("execute_result")

"""Makes one kernel distinct, although all kernels of a zygote are copies of one process."""

from __future__ import annotations

from kernels.python.parts import PythonParts
from kernels.serving.identity import sign


def rename(parts: PythonParts, kernel_id: str, key: str) -> None:
    """Give the kernel at rest its id *kernel_id*, and the *key* that signs its messages."""
    sign(parts.session, parts.kernel, kernel_id, key)
    parts.kernel.shell.displayhook.topic = parts.kernel._topic("execute_result")

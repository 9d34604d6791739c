"""What a forked, confined child does to become one JavaScript kernel."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from kernels.node.parts import take
from kernels.node.process import NodeProcess
from kernels.serving import child, identity
from kernels.serving.child import ChildStart

__all__ = ["ChildStart", "main"]


def main(start: ChildStart) -> NoReturn:
    """Become the JavaScript kernel that *start* describes; ends the process."""
    child.become(start, _serve)


def _serve(start: ChildStart) -> None:
    parts = take()
    kernel = parts.kernel
    wires = child.open_wires(start)
    identity.sign(parts.session, kernel, start.kernel_id, start.key)
    child.connect(kernel, parts.publisher, wires)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kernel.start()
    child.capture_output(parts.record, kernel, wires.attendant)
    process = NodeProcess.start(kernel.node.path, start.memory_bytes, os.environ)
    kernel.attach(process, wires.loop.asyncio_loop)  # type: ignore[attr-defined]  # tornado's loops all have it
    child.run(parts.publisher, wires)
    process.kill()
    child.stop(parts.record, wires)

"""What a forked, confined child does: become one kernel and serve until told to stop."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

from kernels import workfiles
from kernels.python.around import WorkFolder
from kernels.python.identity import rename
from kernels.python.parts import take
from kernels.serving import attribution
from kernels.serving.child import ChildStart, become, capture_output, connect, open_wires, run, stop


def main(start: ChildStart) -> NoReturn:
    """Become the Python kernel that *start* describes; ends the process."""
    become(start, _serve)


def _serve(start: ChildStart) -> None:
    parts = take()
    kernel: Any = parts.kernel
    wires = open_wires(start)
    rename(parts, start.kernel_id, start.key)
    connect(kernel, parts.publisher, wires)
    kernel.folder = WorkFolder(start.work_dir, start.env.get("TMPDIR", ""), workfiles.mark(start.work_dir))
    shell = kernel.shell
    sys.modules["__main__"] = shell.user_module
    shell.history_manager.dir_hist = [os.getcwd()]
    shell.user_ns["_dh"][:] = [os.getcwd()]
    kernel.interrupts.install()
    attribution.install(lambda: parts.record.parent, shell.set_thread_parent)
    kernel.start()
    capture_output(parts.record, kernel, wires.attendant)  # last: until here, errors go to the real stderr
    run(parts.publisher, wires)
    stop(parts.record, wires)

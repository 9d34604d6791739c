"""Runs under the kernel python: preloads once, forks a kernel per request. No sandbox; that has tests of its own."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
CHANNELS = ("shell", "iopub", "stdin", "control")


def main() -> None:
    """Serve start and wait requests on the socket whose descriptor is the first argument."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    control = socket.socket(fileno=int(sys.argv[1]))
    from kernels.python.warmup.preload import preload

    packages = preload(_prepare_javascript)
    tasks = os.listdir("/proc/self/task")
    ready = {"packages": packages, "threads": len(tasks), "debugpy": "debugpy" in sys.modules}
    from kernels.node import child  # noqa: F401  # so that it counts among the modules, as in the real zygote

    control.send(json.dumps({**ready, "modules": sorted(sys.modules)}).encode())
    while True:
        data, fds, _flags, _address = socket.recv_fds(control, 65536, 8)
        if not data:
            return
        request = json.loads(data)
        answer = _start(request, fds, control) if request["op"] == "start" else _wait(request["pid"])
        control.send(json.dumps(answer).encode())


def _prepare_javascript() -> dict[str, Any]:
    from kernels.node import parts  # here: the numerics must not be imported before preload has said how

    return parts.prepare()


def _start(request: dict[str, Any], fds: list[int], control: socket.socket) -> dict[str, Any]:
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # whatever ends the tests ends their kernels
        control.close()
        from kernels.node import child as node
        from kernels.python import child as python

        child = python if request.get("language", "python") == "python" else node
        child.main(
            child.ChildStart(
                kernel_id=request["kernel_id"],
                key=request["key"],
                fds=dict(zip(CHANNELS, fds, strict=True)),
                env=request["env"],
                work_dir=request["work_dir"],
            )
        )
    for fd in fds:
        os.close(fd)
    return {"pid": pid}


def _wait(pid: int) -> dict[str, Any]:
    _pid, status, used = os.wait4(pid, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "cpu_ms": (used.ru_utime + used.ru_stime) * 1000,
        "user_ms": used.ru_utime * 1000,
        "system_ms": used.ru_stime * 1000,
        "faults": used.ru_minflt,
    }


if __name__ == "__main__":
    main()

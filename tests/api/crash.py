"""Scenarios of a gateway's end, each run as a process of its own (`python -m tests.api.crash VICTIM`).

Its own process, because what is left is found among its descendants, and no other gateway of the test session may be there.
"""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.state import instance_name
from tests import live, traces
from tests.conftest import assert_nothing_left
from tests.live import HANG_S, looks

MARKS = {"spawner": b"kernels.spawner", "zygote": b"kernels.zygote"}


def find(gateway_pid: int, role: str) -> int:
    """The pid of a helper process, by what its command line says."""
    for _ in looks():
        for pid in traces.descendants(gateway_pid):
            try:
                if MARKS[role] in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
            except OSError:
                continue
        time.sleep(0.05)  # another process starts it: there is nothing to wait on
    raise AssertionError(f"no {role} below {gateway_pid}")


def end_in_order(process: subprocess.Popen[bytes], gateway: live.Gateway) -> None:
    """SIGTERM: work under way ends well, the exit status is 0."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(gateway.run, "import time; time.sleep(1.5); print('done')")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert running.result()["output"] == "done\n"
    assert process.wait(HANG_S) == 0


def kill_and_start_again(process: subprocess.Popen[bytes], gateway: live.Gateway, victim: str) -> None:
    """kill -9 of *victim* and of the gateway, then one life in the same directory, which ends in order."""
    gateway.run("import subprocess; subprocess.Popen(['sleep', '300'])")
    if victim != "gateway":
        os.kill(find(gateway.pid, victim), signal.SIGKILL)
    process.kill()
    process.wait()
    again, gateway = live.start(gateway.state_dir.parent)
    try:
        live.wait_ready(gateway, again)
        end_in_order(again, gateway)
    finally:
        again.kill()
        again.wait()


def reap_adopted(for_s: float = 2.0) -> None:
    """Do what the machine's first process does: collect orphans. A namespace ends only when its dead are collected."""
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.05)
        except ChildProcessError:
            return


def main(victim: str) -> None:
    """Play the end of *victim*; raises AssertionError when a promise is broken or anything is left."""
    traces.adopt_orphans()
    before = traces.take()
    with tempfile.TemporaryDirectory(prefix="omega-test-") as folder:
        process, gateway = live.start(Path(folder))
        try:
            live.wait_ready(gateway, process)
            kill_and_start_again(process, gateway, victim)
        finally:
            process.kill()
            process.wait()
        reap_adopted()
        assert_nothing_left(before, instance_name(gateway.state_dir))


if __name__ == "__main__":
    main(sys.argv[1])

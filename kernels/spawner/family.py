"""One kernel as the spawner sees it, from the request to the last trace removed."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, field

from kernels.contract import Exited, Fork, Go, Level, Refused, Spawn
from kernels.sandbox.cgroup import KernelCgroup
from kernels.spawner.workplace import TEMPORARY

GATE_BYTES = 4096


@dataclass(slots=True)
class Member:
    """A kernel's processes, descriptors and cgroup. *status* is its wait status once it is dead and reaped."""

    spawn: Spawn
    fds: tuple[int, ...]
    uid: int
    gid: int
    cgroup: KernelCgroup
    work_dir: str
    gate: socket.socket | None = None
    init_pid: int = 0
    init_pidfd: int = -1
    pid_namespace: int = -1
    pid: int = 0
    pidfd: int = -1
    zygote_pid: int = 0
    foreign: frozenset[tuple[str, int]] = frozenset()
    confined: bool = False
    steps_ms: dict[str, float] = field(default_factory=dict)
    started: bool = False
    asked: bool = False
    refusal: Refused | None = None
    is_out_of_memory: bool = False
    peak_bytes: int = 0
    status: int | None = None

    def fork_request(self, level: Level) -> Fork:
        """What the zygote is asked."""
        return Fork(
            kernel_id=self.spawn.kernel_id,
            language=self.spawn.language,
            level=level.label,
            uid=self.uid,
            gid=self.gid,
            work_dir=self.work_dir,
            policy=self.spawn.policy,
            is_grouped=self.cgroup.group is not None,
        )

    def go(self, level: Level) -> Go:
        """What the kernel is told, and nobody else, once it may run."""
        env = self.spawn.env if level > Level.L1 else {"TMPDIR": f"{self.work_dir}/{TEMPORARY}", **self.spawn.env}
        return Go(key=self.spawn.key, env=env)

    def read_gate(self) -> bool:
        """Take the child's report on its confinement; True when it is complete and says all steps were taken.

        Sent before any user code exists, and read with a bound all the same.
        """
        if self.gate is None:
            return False
        try:
            data = self.gate.recv(GATE_BYTES)
        except ConnectionError:
            data = b""
        if not data and not self.pid:
            return False
        try:
            report = json.loads(data or b"{}")
        except ValueError:
            report = {}
        if not isinstance(report, dict):
            report = {}
        if isinstance(report.get("steps_ms"), dict):
            self.confined = True
            self.steps_ms = {str(name): float(ms) for name, ms in report["steps_ms"].items()}
            return True
        step, reason = (
            str(report.get("step", "confinement")),
            str(report.get("reason", "the child ended early")),
        )
        self.refuse(step, reason)
        return False

    def refuse(self, step: str, reason: str) -> None:
        """Note why no user code will run; the first reason counts."""
        if self.refusal is None:
            self.refusal = Refused(kernel_id=self.spawn.kernel_id, step=step, reason=reason)

    def close_request(self) -> None:
        """Close what was only needed to start: the passed sockets and the gate."""
        for fd in (*self.fds, self.pid_namespace):
            if fd >= 0:
                os.close(fd)
        self.fds, self.pid_namespace = (), -1
        if self.gate is not None:
            self.gate.close()
            self.gate = None

    def exit_report(self) -> Exited | Refused:
        """What the gateway is told once nothing is left; reads the cgroup's last numbers."""
        if not self.started:
            return self.refusal or Refused(self.spawn.kernel_id, "start", "the kernel ended before it was started")
        status = self.status if self.status is not None else 0
        code = os.waitstatus_to_exitcode(status)
        return Exited(
            kernel_id=self.spawn.kernel_id,
            code=max(code, 0),
            signal=max(-code, 0),
            out_of_memory=self.is_out_of_memory or self.cgroup.out_of_memory(),
            asked=self.asked,
            peak_bytes=self.cgroup.peak_bytes() or self.peak_bytes,
            cpu_s=self.cgroup.cpu_s(),
        )

"""The spawner's resources for one kernel: descriptors, process ids, its control group, and its life."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, field

from kernels.contract import Exited, Fork, Go, Level, Refused, Spawn, Started
from kernels.sandbox.cgroup import KernelCgroup
from kernels.sandbox.root import WORK
from kernels.spawner.actions import Part, TellExited, TellRefused
from kernels.spawner.events import Event, Fact, Failed
from kernels.spawner.life import ENDED_EARLY, Life
from kernels.spawner.workplace import TEMPORARY
from kernels.spawner.zygotes import Zygote

GATE_BYTES = 4096
UNBOUNDED = KernelCgroup("", None)
REQUESTED = Life(frozenset({Part.REQUEST}))
Fds = tuple[int, ...]


@dataclass(slots=True)
class Member:
    """One kernel. Its *life* lists the existing parts; a missing part is 0, -1, None or empty."""

    spawn: Spawn
    fds: Fds
    zygote: Zygote
    """The zygote that is asked for the fork."""
    uid: int
    gid: int
    cgroup: KernelCgroup = UNBOUNDED
    work_dir: str = WORK
    life: Life = REQUESTED
    gate: socket.socket | None = None
    init_pid: int = 0
    init_pidfd: int = -1
    pid_namespace: int = -1
    pid: int = 0
    pidfd: int = -1
    steps_ms: dict[str, float] = field(default_factory=dict)
    peak_bytes: int = 0

    def fork_request(self, level: Level) -> Fork:
        """The request to the zygote."""
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
        """The secrets of this kernel, which only it gets, once it may run."""
        env = self.spawn.env if level > Level.L1 else {"TMPDIR": f"{self.work_dir}/{TEMPORARY}", **self.spawn.env}
        return Go(key=self.spawn.key, env=env)

    def read_gate(self) -> Event:
        """The child's report on its confinement, sent before any user code exists and read with a bound all the same."""
        try:
            data = self.gate.recv(GATE_BYTES) if self.gate else b""
        except ConnectionError:
            data = b""
        if not data:
            return Fact.GATE_CLOSED
        report = parse_report(data)
        if isinstance(report, Failed):
            return report
        self.steps_ms = report
        return Fact.CONFINED

    def tell_child(self, data: bytes) -> None:
        """Write through the gate; raises OSError."""
        if self.gate is None:
            raise BrokenPipeError("the gate is closed")
        self.gate.send(data)

    def close_gate(self) -> None:
        """Close the gate."""
        if self.gate is not None:
            self.gate.close()
            self.gate = None

    def close_request(self) -> None:
        """Close what was only needed for the fork: the passed sockets and the pid namespace."""
        for fd in (*self.fds, self.pid_namespace):
            if fd >= 0:
                os.close(fd)
        self.fds, self.pid_namespace = (), -1

    def start_report(self) -> Started:
        """The report to the gateway once user code may run."""
        return Started(self.spawn.kernel_id, self.pid, self.steps_ms)

    def refusal_report(self, told: TellRefused) -> Refused:
        """The report to the gateway if no user code ran."""
        return Refused(self.spawn.kernel_id, told.step, told.reason)

    def exit_report(self, told: TellExited) -> Exited:
        """The report to the gateway once no part is left; reads the control group's final usage."""
        code = os.waitstatus_to_exitcode(told.status)
        return Exited(
            kernel_id=self.spawn.kernel_id,
            code=max(code, 0),
            signal=max(-code, 0),
            out_of_memory=told.is_out_of_memory or self.cgroup.out_of_memory(),
            asked=told.is_asked,
            peak_bytes=self.cgroup.peak_bytes() or self.peak_bytes,
            cpu_s=self.cgroup.cpu_s(),
        )


def parse_report(data: bytes) -> dict[str, float] | Failed:
    """The milliseconds of each isolation step, or the failed step; a malformed report is a failure as well."""
    try:
        report = json.loads(data)
        took_ms = report.get("steps_ms")
        if isinstance(took_ms, dict):
            return {str(name): float(ms) for name, ms in took_ms.items()}
        return Failed(str(report.get("step", ENDED_EARLY.step)), str(report.get("reason", ENDED_EARLY.reason)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ENDED_EARLY

"""The spawner's resources for one kernel: descriptors, process ids, its control group, and its life."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, field

from kernels.contract import (
    CommandExited,
    CommandRefused,
    CommandStarted,
    Exited,
    Fork,
    Go,
    Level,
    Policy,
    Refused,
    Report,
    RunCommand,
    Spawn,
    Started,
)
from kernels.sandbox import sysc
from kernels.sandbox.cgroup import KernelCgroup
from kernels.sandbox.root import WORK
from kernels.spawner.actions import Part, TellExited, TellRefused
from kernels.spawner.events import Event, Fact, Failed
from kernels.spawner.life import ENDED_EARLY, Life
from kernels.spawner.place import Place
from kernels.spawner.workplace import TEMPORARY
from kernels.spawner.zygotes import Zygote

GATE_BYTES = 4096
UNBOUNDED = KernelCgroup("", None)
REQUESTED = Life(frozenset({Part.REQUEST}))
Fds = tuple[int, ...]


@dataclass(slots=True)
class Member:
    """One kernel or command. Its *life* lists the existing parts; a missing part is 0, -1, None or empty."""

    asked: Spawn | RunCommand
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
    namespaces: frozenset[tuple[str, int]] = frozenset()
    """Those that were attested."""
    place: Place | None = None
    """What guests of this kernel join; of a guest, what it joins."""
    oom_kills: int = 0
    """Those in its control group before it came."""
    is_told_to_go: bool = False
    id: str = ""
    """What the gateway calls it."""

    def __post_init__(self) -> None:
        # A field, not a property: each function that a kernel's way calls costs a page (decision 23).
        self.id = self.asked.kernel_id if isinstance(self.asked, Spawn) else self.asked.command_id

    @property
    def policy(self) -> Policy:
        """The limits of its place."""
        if self.place is not None:
            return self.place.policy
        return self.asked.policy if isinstance(self.asked, Spawn) else Policy()

    def joined(self) -> tuple[int, ...]:
        """The pid namespace and, of a guest, the others that it joins; empty where there are none (level L1)."""
        if self.asked.place and self.place is not None:
            return (self.place.namespaces["pid"], *self.place.joined()) if self.place.namespaces else ()
        return (self.pid_namespace,) if self.pid_namespace >= 0 else ()

    def folders(self) -> tuple[int, ...]:
        """The memory file systems of its place, the work directory first; empty unless it is held."""
        return self.place.folders if self.place is not None else ()

    def own_place(self) -> Place:
        """What guests would join, but for what open_place() opens."""
        return Place(self.uid, self.gid, self.cgroup, self.policy, self.work_dir)

    def fork_request(self, spawn: Spawn, level: Level) -> Fork:
        """The request to the zygote."""
        return Fork(
            kernel_id=spawn.kernel_id,
            language=spawn.language,
            level=level.label,
            uid=self.uid,
            gid=self.gid,
            work_dir=self.work_dir,
            policy=spawn.policy,
            is_grouped=self.cgroup.group is not None,
            joins=bool(spawn.place) and level > Level.L1,
        )

    def go(self, level: Level) -> Go:
        """The secrets of this kernel, which only it gets, once it may run. A command has all it needs."""
        if isinstance(self.asked, RunCommand):
            return Go(key="")
        env = self.asked.env if level > Level.L1 else {"TMPDIR": f"{self.work_dir}/{TEMPORARY}", **self.asked.env}
        return Go(key=self.asked.key, env=env)

    def read_gate(self) -> Event:
        """The child's report on its confinement, sent before any user code exists and read with a bound all the same.

        A command that was told to go reports once more if it can't execute its program; doing so closes its gate.
        """
        try:
            data = self.gate.recv(GATE_BYTES) if self.gate else b""
        except ConnectionError:
            data = b""
        if not data:
            return Fact.RELEASED if self.is_told_to_go else Fact.GATE_CLOSED
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

    def start_report(self) -> Report:
        """The report to the gateway once user code may run."""
        if isinstance(self.asked, RunCommand):
            return CommandStarted(self.id, _pid_inside(self.pid))
        return Started(self.id, self.pid, self.steps_ms)

    def refusal_report(self, told: TellRefused) -> Report:
        """The report to the gateway if no user code ran."""
        refused = CommandRefused if isinstance(self.asked, RunCommand) else Refused
        return refused(self.id, told.step, told.reason)

    def exit_report(self, told: TellExited) -> Report:
        """The report to the gateway once no part is left; reads the control group's final usage."""
        code = os.waitstatus_to_exitcode(told.status)
        is_out_of_memory = told.is_out_of_memory or self.cgroup.oom_kills() > self.oom_kills
        if isinstance(self.asked, RunCommand):
            return CommandExited(self.id, max(code, 0), max(-code, 0), is_out_of_memory and code < 0)
        return Exited(
            kernel_id=self.id,
            code=max(code, 0),
            signal=max(-code, 0),
            out_of_memory=is_out_of_memory,
            asked=told.is_asked,
            peak_bytes=self.cgroup.peak_bytes() or self.peak_bytes,
            cpu_s=self.cgroup.cpu_s(),
        )


def _pid_inside(pid: int) -> int:
    """What the innermost pid namespace of *pid* calls it; 0 once it is gone."""
    try:
        lines = sysc.read_whole(f"/proc/{pid}/status").splitlines()
        return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), pid)
    except (OSError, ValueError):
        return 0


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

"""Performs the actions of a kernel's life, and reports events of its processes and descriptors to that life."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import assert_never

from kernels import contract
from kernels.contract import IN_GROUP, ContractError, Packet
from kernels.sandbox.attest import AttestationFailed, Expectation, attest
from kernels.sandbox.root import WORK
from kernels.spawner.actions import (
    Action,
    Adopt,
    Do,
    Drop,
    KillPart,
    Part,
    RefuseFiles,
    Remove,
    ServeFiles,
    TellExited,
    TellRefused,
)
from kernels.spawner.events import Event, Fact, Failed, MainReaped
from kernels.spawner.files_helpers import KeeperPlace, Keepers
from kernels.spawner.member import Member
from kernels.spawner.preparer import Preparer, Surroundings
from kernels.spawner.tree import kill_orphans, strangers
from kernels.spawner.watchdog import Excess, Watchdog, Watched, has_watches_left
from kernels.spawner.zygotes import Zygote

Hear = Callable[[str, Event], None]
"""Takes an event of the kernel with this id."""


class Performer:
    """Performs actions on kernels. *hear* takes events, *tell* reports for the gateway; *zygotes* are the live ones by pid.

    It decides nothing: it performs every action, and a failed action returns its event.
    """

    def __init__(
        self,
        around: Surroundings,
        zygotes: dict[int, Zygote],
        hear: Hear,
        tell: Callable[[Packet], None],
        on_excess: Callable[[str, Excess], None],
    ) -> None:
        self._around, self._level, self._loop = around, around.level, around.loop
        self._zygotes, self._hear, self._tell = zygotes, hear, tell
        self._workplaces = around.workplaces
        self._keepers = Keepers(around.loop, lambda kernel_id: hear(kernel_id, Fact.HELPERS_GONE))
        self._watchdog = Watchdog(around.loop, on_excess, self._kill_stray)
        if not around.has_own_uids:
            self._watchdog.has_watches_left = has_watches_left
        self._preparer = Preparer(around)
        self._do: dict[Do, Callable[[Member], Event | None]] = {
            Do.ASK_FORK: self._ask_fork,
            Do.ATTEST: self._attest,
            Do.SEND_GO: self._send_go,
            Do.WATCH: self._watch,
            Do.TELL_STARTED: lambda member: tell(member.start_report()),
            Do.INTERRUPT: _interrupt,
            Do.REAP: self._reap,
        }
        self.kernel_of: dict[int, str] = {}
        """The id of the kernel that owns a process or an init, by pid."""

    def prepare(self, member: Member) -> tuple[frozenset[Part], Event]:
        """Make every part that the fork needs; returns the parts made, and BEGUN, or Failed after the first failure."""
        parts, event = self._preparer.prepare(member)
        if Part.INIT in parts:
            kernel_id = self.kernel_of[member.init_pid] = member.spawn.kernel_id
            self._loop.watch(member.init_pidfd, lambda: self._hear(kernel_id, Fact.INIT_DIED))
        return parts, event

    # ---- one action ----------------------------------------------------------------------------------------------

    def perform(self, member: Member, action: Action) -> Event | None:
        """Perform *action*; returns the event that it produces at once, if any."""
        if isinstance(action, Do):
            return self._do[action](member)
        match action:
            case Remove(part):
                self._remove(member, part)
            case KillPart(part):
                self._kill(member, part)
            case Adopt(pid, pidfd):
                return self._adopt(member, pid, pidfd)
            case TellExited():
                self._tell(member.exit_report(action))
            case TellRefused():
                self._tell(member.refusal_report(action))
            case Drop(pid, pidfd):
                os.close(pidfd)
                self.drop(member.zygote, pid)
            case ServeFiles(channel):
                return self._serve_files(member, channel)
            case RefuseFiles(channel):
                self.refuse_files(member.spawn.kernel_id, channel)
            case _:
                assert_never(action)
        return None

    # ---- the way up ----------------------------------------------------------------------------------------------

    def _ask_fork(self, member: Member) -> Event | None:
        namespaces = (member.pid_namespace,) if member.pid_namespace >= 0 else ()
        try:
            member.gate, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._loop.watch(member.gate.fileno(), lambda: self._gate_spoke(member))
                member.zygote.ask_fork(member.fork_request(self._level), (*member.fds, theirs.fileno(), *namespaces))
        except ConnectionError:
            return None  # dead and not reaped yet: ZYGOTE_GONE follows
        except OSError as error:
            return Failed("pid namespace", str(error))
        return None

    def _gate_spoke(self, member: Member) -> None:
        if member.gate is not None:
            self._loop.forget(member.gate.fileno())
        self._hear(member.spawn.kernel_id, member.read_gate())

    def _adopt(self, member: Member, pid: int, pidfd: int) -> Event | None:
        member.pid, member.pidfd = pid, pidfd
        self.kernel_of[pid] = member.spawn.kernel_id
        self._loop.watch(pidfd, lambda: self._process_died(member))
        try:
            member.cgroup.attach(pid)
            member.tell_child(IN_GROUP)
        except OSError as error:
            return Failed("cgroup", str(error))
        return None

    def _process_died(self, member: Member) -> None:
        # Readable until it is reaped.
        self._loop.forget(member.pidfd)
        self._hear(member.spawn.kernel_id, Fact.PROCESS_DIED)

    def drop(self, zygote: Zygote, pid: int) -> None:
        """Kill a forked process that is no longer needed."""
        with suppress(OSError):  # its zygote is ending: kill_strangers() reaps
            os.kill(pid, signal.SIGKILL)
            zygote.ask_reap(pid)

    def _attest(self, member: Member) -> Event:
        begun = time.perf_counter()
        uid = member.uid if self._around.has_own_uids else None
        try:
            attest(member.pid, Expectation(self._level, uid, uid, member.zygote.foreign))
        except (AttestationFailed, OSError) as error:
            return Failed("attestation", str(error))
        member.steps_ms["attest"] = (time.perf_counter() - begun) * 1000
        return Fact.ATTESTED

    def _send_go(self, member: Member) -> Event:
        try:
            member.tell_child(contract.encode(member.go(self._level)))
        except OSError as error:
            return Failed("attestation", str(error))
        except ContractError as error:
            return Failed("request", str(error))
        return Fact.RELEASED

    # ---- while it runs -------------------------------------------------------------------------------------------

    def _watch(self, member: Member) -> None:
        """Let the watchdog watch what no control group, mount or own uid bounds."""
        kernel = Watched(
            roots=tuple(pid for pid in (member.init_pid, member.pid) if pid),
            policy=member.spawn.policy,
            uid=member.uid,
            work_dir=member.work_dir if self._workplaces else "",
            is_bounded=self._around.cgroups.kind != "none",
        )
        self._watchdog.watch(member.spawn.kernel_id, kernel)

    def _serve_files(self, member: Member, channel: int) -> Event | None:
        work_path = member.work_dir if self._workplaces else f"/proc/{member.pid}/root{WORK}"
        place = KeeperPlace(member.uid, member.gid, member.cgroup, member.spawn.policy, work_path)
        self._keepers.start(member.spawn.kernel_id, place, channel)
        return None if member.spawn.kernel_id in self._keepers else Fact.HELPERS_GONE

    def refuse_files(self, kernel_id: str, channel: int) -> None:
        """Answer on *channel* that the kernel does not exist."""
        self._keepers.start(kernel_id, None, channel)

    # ---- the way down --------------------------------------------------------------------------------------------

    def _kill(self, member: Member, part: Part) -> None:
        match part:
            case Part.INIT:
                send_signal(member.init_pidfd, signal.SIGKILL)
            case Part.PROCESS:
                send_signal(member.pidfd, signal.SIGKILL)
            case Part.HELPERS:
                self._keepers.kill(member.spawn.kernel_id)
            case Part.GROUP:
                member.cgroup.kill()

    def _reap(self, member: Member) -> Event | None:
        """Let the zygote reap its child; if the zygote is gone, the kernel is a child of the spawner, its subreaper."""
        if self._zygotes.get(member.zygote.pid) is member.zygote:
            try:
                member.zygote.ask_reap(member.pid)
            except OSError:
                return None  # it is ending: ZYGOTE_GONE follows
            return None
        try:
            return MainReaped(os.waitpid(member.pid, 0)[1])
        except ChildProcessError:
            return MainReaped(0)

    def _remove(self, member: Member, part: Part) -> None:
        match part:
            case Part.REQUEST:
                member.close_request()
            case Part.GATE:
                self._close_gate(member)
            case Part.PROCESS:
                self._release(member.pid, member.pidfd)
            case Part.INIT:
                os.waitpid(member.init_pid, 0)
                self._release(member.init_pid, member.init_pidfd)
            case Part.WATCH:
                seen = self._watchdog.forget(member.spawn.kernel_id)
                member.peak_bytes = seen.peak_bytes if seen else 0
            case Part.WORK_DIR:
                self.kill_strangers()
                self._preparer.take_back(member, part)
            case _:
                self._preparer.take_back(member, part)

    def _close_gate(self, member: Member) -> None:
        if member.gate is not None:
            self._loop.forget(member.gate.fileno())
            member.close_gate()

    def _release(self, pid: int, pidfd: int) -> None:
        """Forget a process that has been reaped."""
        self._loop.forget(pidfd)
        os.close(pidfd)
        self.kernel_of.pop(pid, None)

    # ---- unknown processes ---------------------------------------------------------------------------------------

    def kill_strangers(self) -> None:
        """Reap unknown children: a fork whose zygote died before it reported it, or (L1) a dead kernel's processes.

        A pid namespace does not end before all of its dead are reaped.
        """
        kill_orphans(self._known())

    def _kill_stray(self) -> None:
        """Kill processes outside the tree of a living kernel (L1), which no limit counts: a kernel keeps its own orphans."""
        if self._workplaces and strangers(self._known()):
            self.kill_strangers()

    def _known(self) -> set[int]:
        return {*self._zygotes, *self.kernel_of, *self._keepers.pids(), *self._preparer.pids()}


def _interrupt(member: Member) -> None:
    with suppress(ProcessLookupError, PermissionError):  # already dying; its end is a separate event
        os.killpg(member.pid, signal.SIGINT)


def send_signal(pidfd: int, number: int) -> None:
    """Signal a process that may be dead already."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return

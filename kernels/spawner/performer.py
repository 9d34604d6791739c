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
from kernels.contract import IN_GROUP, ContractError, Level, Packet, PlaceGone, RunCommand, Spawn
from kernels.sandbox.attest import AttestationFailed, Expectation, attest
from kernels.sandbox.root import WORK
from kernels.spawner.actions import (
    Action,
    Admit,
    Adopt,
    Do,
    Drop,
    KillPart,
    Part,
    RefuseFiles,
    Remove,
    SendSignal,
    ServeFiles,
    TellExited,
    TellRefused,
    TurnAway,
)
from kernels.spawner.events import Event, Fact, Failed, MainReaped
from kernels.spawner.files_helpers import FilesHelpers, HelperPlace
from kernels.spawner.hosting import Hosting, send_to_group
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
        self._files_helpers = FilesHelpers(around.loop, lambda kernel_id: hear(kernel_id, Fact.HELPERS_GONE))
        self._watchdog = Watchdog(around.loop, on_excess, self._kill_stray)
        if not around.has_own_uids:
            self._watchdog.has_watches_left = has_watches_left
        self._preparer = Preparer(around)
        self.hosting = Hosting(around, hear)
        self._do: dict[Do, Callable[[Member], Event | None]] = {
            Do.ASK_FORK: self._ask_fork,
            Do.ATTEST: lambda member: attested(member, self._level, own_uid=around.has_own_uids),
            Do.SEND_GO: self._send_go,
            Do.WATCH: self._watch,
            Do.TELL_STARTED: lambda member: tell(member.start_report()),
            Do.HOLD: self._hold,
            Do.TELL_PLACE_GONE: lambda member: tell(PlaceGone(member.id)),
            Do.INTERRUPT: lambda member: send_to_group(member, signal.SIGINT),
            Do.REAP: self._reap,
        }
        self.kernel_of: dict[int, str] = {}
        """The id of the kernel that owns a process or an init, by pid."""

    def prepare(self, member: Member) -> tuple[frozenset[Part], Event]:
        """Make every part that the fork needs; returns the parts made, and BEGUN, or Failed after the first failure."""
        parts, event = self._preparer.prepare(member)
        if Part.INIT in parts:
            kernel_id = self.kernel_of[member.init_pid] = member.id
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
                self.refuse_files(member.id, channel)
            case SendSignal(number):
                send_to_group(member, number)
            case Admit() | TurnAway():
                self.hosting.answer(member, action)
            case _:
                assert_never(action)
        return None

    # ---- the way up ----------------------------------------------------------------------------------------------

    def _ask_fork(self, member: Member) -> Event | None:
        try:
            member.gate, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._loop.watch(member.gate.fileno(), lambda: self._gate_spoke(member))
                if isinstance(member.asked, RunCommand):
                    return self.hosting.fork_command(member, member.asked, theirs.fileno())
                request = member.fork_request(member.asked, self._level)
                member.zygote.ask_fork(request, (*member.fds, theirs.fileno(), *member.joined()))
        except ConnectionError:
            return None  # dead and not reaped yet: ZYGOTE_GONE follows
        except OSError as error:
            if isinstance(member.asked, RunCommand):
                self.kill_strangers()  # a command whose fork was not reported: its pid namespace would never end
            return Failed("pid namespace", str(error))
        return None

    def _gate_spoke(self, member: Member) -> None:
        if member.gate is not None:
            self._loop.forget(member.gate.fileno())
        self._hear(member.id, member.read_gate())

    def _adopt(self, member: Member, pid: int, pidfd: int) -> Event | None:
        member.pid, member.pidfd = pid, pidfd
        self.kernel_of[pid] = member.id
        if member.asked.place:
            self._watchdog.join(member.asked.place, pid)
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
        if member.is_told_to_go and member.gate is not None:
            # What it said before comes first: a program may have ended already, or was never executed.
            self._gate_spoke(member)
        self._hear(member.id, Fact.PROCESS_DIED)

    def drop(self, zygote: Zygote, pid: int) -> None:
        """Kill a forked process that is no longer needed."""
        with suppress(OSError):  # its zygote is ending: kill_strangers() reaps
            os.kill(pid, signal.SIGKILL)
            zygote.ask_reap(pid)

    def _send_go(self, member: Member) -> Event | None:
        try:
            member.tell_child(contract.encode(member.go(self._level)))
        except OSError as error:
            return Failed("attestation", str(error))
        except ContractError as error:
            return Failed("request", str(error))
        if isinstance(member.asked, RunCommand) and member.gate is not None:
            # Its program is executed, or not: the gate tells which.
            member.is_told_to_go = True
            self._loop.watch(member.gate.fileno(), lambda: self._gate_spoke(member))
            return None
        return Fact.RELEASED

    # ---- while it runs -------------------------------------------------------------------------------------------

    def _watch(self, member: Member) -> None:
        """Let the watchdog watch what no control group, mount or own uid bounds; guests are watched with their place."""
        if member.asked.place:
            return
        self._watchdog.watch(member.id, watched(member, self._around))

    def _hold(self, member: Member) -> Event | None:
        event = self.hosting.hold(member)
        self._watchdog.hold(member.id, member.folders())
        return event

    def _serve_files(self, member: Member, channel: int) -> Event | None:
        work_path = member.work_dir if self._workplaces else f"/proc/{member.pid}/root{WORK}"
        work_fd = next(iter(member.folders()), -1)
        place = HelperPlace(member.uid, member.gid, member.cgroup, member.policy, work_path, work_fd)
        self._files_helpers.start(member.id, place, channel)
        return None if member.id in self._files_helpers else Fact.HELPERS_GONE

    def refuse_files(self, kernel_id: str, channel: int) -> None:
        """Answer on *channel* that the kernel does not exist."""
        self._files_helpers.start(kernel_id, None, channel)

    # ---- the way down --------------------------------------------------------------------------------------------

    def _kill(self, member: Member, part: Part) -> None:
        match part:
            case Part.INIT:
                send_signal(member.init_pidfd, signal.SIGKILL)
            case Part.PROCESS:
                if member.place is not None:
                    # No end of a namespace takes with it what the process has started.
                    send_to_group(member, signal.SIGKILL)
                send_signal(member.pidfd, signal.SIGKILL)
            case Part.HELPERS:
                self._files_helpers.kill(member.id)
            case Part.GUESTS:
                self.hosting.end_guests(member)
            case Part.GROUP:
                member.cgroup.kill()

    def _reap(self, member: Member) -> Event | None:
        """Let the zygote reap its child; if the zygote is gone, the kernel is a child of the spawner, its subreaper."""
        if isinstance(member.asked, Spawn) and self._zygotes.get(member.zygote.pid) is member.zygote:
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
                if member.place is not None:
                    self._watchdog.leave(member.asked.place or member.id, member.pid)
            case Part.INIT:
                os.waitpid(member.init_pid, 0)
                self._release(member.init_pid, member.init_pidfd)
            case Part.WATCH:
                seen = self._watchdog.forget(member.id)
                member.peak_bytes = seen.peak_bytes if seen else 0
            case Part.PLACE | Part.SEAT:
                self.hosting.remove(member, part)
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
        return {*self._zygotes, *self.kernel_of, *self._files_helpers.pids(), *self._preparer.pids()}


def watched(member: Member, around: Surroundings) -> Watched:
    """What the watchdog is to know of a kernel."""
    return Watched(
        roots=tuple(pid for pid in (member.init_pid, member.pid) if pid),
        policy=member.policy,
        uid=member.uid,
        work_dir=member.work_dir if around.workplaces else "",
        is_bounded=around.cgroups.kind != "none",
    )


def attested(member: Member, level: Level, *, own_uid: bool) -> Event:
    """The outcome of attesting the child; a guest has to be in the place's namespaces."""
    begun = time.perf_counter()
    uid = member.uid if own_uid else None
    shared = member.place.inodes if member.place else frozenset()
    try:
        member.namespaces = attest(member.pid, Expectation(level, uid, uid, member.zygote.foreign, shared))
    except (AttestationFailed, OSError) as error:
        return Failed("attestation", str(error))
    member.steps_ms["attest"] = (time.perf_counter() - begun) * 1000
    return Fact.ATTESTED


def send_signal(pidfd: int, number: int) -> None:
    """Signal a process that may be dead already."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return

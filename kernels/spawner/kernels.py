"""All kernels of one gateway: each one's way up, from request to *go*, and its way down, to the last trace removed."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from kernels import contract
from kernels.contract import IN_GROUP, Forked, Level, Packet, Reaped, Refused, Spawn, SpawnerOptions, Started
from kernels.sandbox.attest import AttestationFailed, Expectation, attest
from kernels.sandbox.cgroup import Cgroups
from kernels.sandbox.root import WORK
from kernels.spawner.family import Member
from kernels.spawner.identity import Uids
from kernels.spawner.init import InitPlace, fork_init
from kernels.spawner.keepers import KeeperPlace, Keepers
from kernels.spawner.loop import Loop
from kernels.spawner.removal import Removal
from kernels.spawner.tree import kill_orphans, strangers
from kernels.spawner.watchdog import Excess, Watchdog, Watched, has_watches_left
from kernels.spawner.workplace import Workplaces
from kernels.spawner.zygotes import Zygote

Fds = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What kernels are started with, measured once."""

    options: SpawnerOptions
    level: Level
    has_own_uids: bool
    cgroups: Cgroups
    loop: Loop
    workplaces: Workplaces | None = None
    """Level L1 only: above it every kernel works in a file system of its own."""


class Kernels:
    """Starts, watches and ends kernels. *tell* takes reports for the gateway; *zygotes* is the live ones by pid."""

    def __init__(
        self, around: Surroundings, zygotes: dict[int, Zygote], tell: Callable[[Packet], None], on_empty: Callable[[], None]
    ) -> None:
        self._options, self._level = around.options, around.level
        self._cgroups, self._loop = around.cgroups, around.loop
        self._zygotes, self._tell, self._on_empty = zygotes, tell, on_empty
        self._workplaces = around.workplaces
        self._watchdog = Watchdog(around.loop, self._end_excess, self._kill_stray)
        if not around.has_own_uids:
            self._watchdog.has_watches_left = has_watches_left
        self._keepers = Keepers(around.loop, self._keepers_gone)
        self._removal = Removal(around.loop)
        self._uids = Uids(self._options.uid_base, self._options.uid_count, self._options.instance)
        self._has_own_uids = around.has_own_uids
        self._members: dict[str, Member] = {}
        self._by_pid: dict[int, Member] = {}
        self._stalled: list[Member] = []

    def __contains__(self, kernel_id: str) -> bool:
        return kernel_id in self._members

    def __len__(self) -> int:
        return len(self._members)

    # ---- the way up ----------------------------------------------------------------------------------------------

    def begin(self, spawn: Spawn, fds: Fds, zygote: Zygote) -> None:
        """Give the kernel its identity, its cgroup and its pid namespace, and ask the zygote for the fork."""
        uid = self._uids.take() if self._has_own_uids else os.geteuid()
        gid = uid if self._has_own_uids else os.getegid()
        try:
            cgroup = self._cgroups.create(spawn.kernel_id, spawn.policy)
            member = Member(spawn, fds, uid, gid, cgroup, self._work_dir(spawn, uid))
        except OSError as error:
            self._uids.give_back(uid)
            for fd in fds:
                os.close(fd)
            self._tell(Refused(spawn.kernel_id, "cgroup", str(error)))
            return
        self._members[spawn.kernel_id] = member
        try:
            if self._level >= Level.L2:
                self._make_namespace(member, zygote)
            self._ask_fork(member, zygote)
        except OSError as error:
            member.refuse("pid namespace", str(error))
            self._end(member)

    def _work_dir(self, spawn: Spawn, uid: int) -> str:
        """Where the kernel works: a tmpfs of its own, or (L1, without mounts) a directory of its own on the host."""
        return self._workplaces.make(spawn.kernel_id, uid) if self._workplaces else WORK

    def _make_namespace(self, member: Member, zygote: Zygote) -> None:
        place = InitPlace(self._level, member.uid, member.gid, zygote.namespaces["mnt"], zygote.namespaces["net"])
        init = fork_init(place)
        member.init_pid, member.pid_namespace = init.pid, init.namespace
        member.init_pidfd = os.pidfd_open(member.init_pid)
        self._loop.watch(member.init_pidfd, lambda: self._init_died(member))

    def _ask_fork(self, member: Member, zygote: Zygote) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        namespaces = (member.pid_namespace,) if member.pid_namespace >= 0 else ()
        try:
            try:
                zygote.ask_fork(member.fork_request(self._level), (*member.fds, theirs.fileno(), *namespaces))
            except ConnectionError:
                # Dead and not buried yet: zygote_gone() keeps the request for the next one.
                ours.close()
                return
            if member.gate is not None:
                self._loop.forget(member.gate.fileno())
                member.gate.close()
            member.gate = ours
            self._loop.watch(ours.fileno(), lambda: self._gate_spoke(member))
        finally:
            theirs.close()

    def forked(self, zygote: Zygote, forked: Forked) -> None:
        """The zygote answered: put the child into its control group, and let it confine itself there."""
        member = self._members.get(forked.kernel_id)
        if member is None:
            if forked.pid > 0:
                self._drop(zygote, forked.pid)
            return
        if forked.pid <= 0:
            member.refuse("fork", forked.reason)
            self._end(member)
            return
        member.pid, member.pidfd, member.zygote_pid = forked.pid, os.pidfd_open(forked.pid), zygote.pid
        member.foreign = zygote.foreign
        self._by_pid[forked.pid] = member
        self._loop.watch(member.pidfd, lambda: self._kernel_died(member))
        try:
            member.cgroup.attach(forked.pid)
            if member.gate is not None:
                member.gate.send(IN_GROUP)
        except OSError as error:
            member.refuse("cgroup", str(error))
            self._end(member)

    def _drop(self, zygote: Zygote, pid: int) -> None:
        """End a fork that nobody waits for any more."""
        try:
            os.kill(pid, signal.SIGKILL)
            zygote.ask_reap(pid)
        except OSError:
            # Its zygote is ending: zygote_gone() reaps.
            return

    def _gate_spoke(self, member: Member) -> None:
        if member.gate is not None:
            self._loop.forget(member.gate.fileno())
        if member.read_gate():
            self._release(member)
        elif member.pid:
            self._end(member)
        # Without a pid the zygote died before it forked: the next one will.

    def _release(self, member: Member) -> None:
        """Let user code in, once the child says it is confined and a look from outside agrees."""
        if not (member.confined and member.pid and member.gate) or member.asked or member.refusal:
            return
        begun = time.perf_counter()
        uid = member.uid if self._has_own_uids else None
        try:
            attest(member.pid, Expectation(self._level, uid, uid, member.foreign))
            contract.send(member.gate, member.go(self._level))
        except (AttestationFailed, OSError) as error:
            member.refuse("attestation", str(error))
            self._end(member)
            return
        member.steps_ms["attest"] = (time.perf_counter() - begun) * 1000
        member.started = True
        member.close_request()
        self._watch(member)
        self._tell(Started(member.spawn.kernel_id, member.pid, member.steps_ms))

    def _watch(self, member: Member) -> None:
        """Have a look kept on what no control group, no mount and no uid of its own bounds."""
        kernel = Watched(
            roots=tuple(pid for pid in (member.init_pid, member.pid) if pid),
            policy=member.spawn.policy,
            uid=member.uid,
            work_dir=member.work_dir if self._workplaces else "",
            is_bounded=self._cgroups.kind != "none",
        )
        self._watchdog.watch(member.spawn.kernel_id, kernel)

    # ---- its files -----------------------------------------------------------------------------------------------

    def open_files(self, kernel_id: str, channel: int) -> None:
        """Have a helper serve the kernel's work directory on *channel*, or say there that there is none."""
        member, place = self._members.get(kernel_id), None
        if member is not None and member.started and member.status is None and not member.asked:
            work_path = member.work_dir if self._workplaces else f"/proc/{member.pid}/root{WORK}"
            place = KeeperPlace(member.uid, member.gid, member.cgroup, member.spawn.policy, work_path)
        self._keepers.start(kernel_id, place, channel)

    def _keepers_gone(self, kernel_id: str) -> None:
        member = self._members.get(kernel_id)
        if member is not None:
            self._finish(member)

    # ---- the way down --------------------------------------------------------------------------------------------

    def kill(self, kernel_id: str) -> None:
        """End this kernel, if there is one; Exited or Refused follows."""
        member = self._members.get(kernel_id)
        if member is not None:
            member.asked = True
            self._end(member)

    def _end_excess(self, kernel_id: str, excess: Excess) -> None:
        """The watchdog found this kernel above a limit."""
        member = self._members[kernel_id]
        member.is_out_of_memory = excess is Excess.MEMORY
        sys.stderr.write(f"spawner: kernel {kernel_id} is ended: it has more {excess.value} than allowed\n")
        self._watchdog.forget(kernel_id)
        self._end(member)

    def kill_all(self) -> None:
        """End every kernel."""
        for kernel_id in list(self._members):
            self.kill(kernel_id)

    def interrupt(self, kernel_id: str) -> None:
        """Send SIGINT to the kernel's process group, if it runs."""
        member = self._members.get(kernel_id)
        if member is not None and member.started and member.status is None:
            try:
                os.killpg(member.pid, signal.SIGINT)
            except (ProcessLookupError, PermissionError):
                # Dying already; its end is reported in due course.
                return

    def _end(self, member: Member) -> None:
        """Kill everything the kernel is; the rest follows from its processes' ends."""
        self._keepers.kill(member.spawn.kernel_id)
        if member.init_pidfd >= 0:
            send_signal(member.init_pidfd, signal.SIGKILL)
        if member.pidfd >= 0 and member.status is None:
            send_signal(member.pidfd, signal.SIGKILL)
        if self._workplaces:
            # Above level 1 the end of its pid namespace is the end of all its processes.
            member.cgroup.kill()
        if member.gate is not None:
            self._loop.forget(member.gate.fileno())
        member.close_request()
        self._finish(member)

    def _kernel_died(self, member: Member) -> None:
        """Its main process is dead: have it reaped by its parent, and end what is left of it."""
        self._loop.forget(member.pidfd)
        zygote = self._zygotes.get(member.zygote_pid)
        if zygote is None:
            self._reap_here(member)
            return
        try:
            zygote.ask_reap(member.pid)
        except OSError:
            # The zygote is ending: zygote_gone() reaps, once the kernel has become the spawner's child.
            return

    def reaped(self, _zygote: Zygote, reaped: Reaped) -> None:
        """A zygote's answer to ask_reap."""
        member = self._by_pid.get(reaped.pid)
        if member is not None and member.status is None:
            self._died(member, max(reaped.status, 0))

    def _reap_here(self, member: Member) -> None:
        """Reap a kernel whose zygote is gone: it has become a child of the spawner, its subreaper."""
        try:
            self._died(member, os.waitpid(member.pid, 0)[1])
        except ChildProcessError:
            self._died(member, 0)

    def _died(self, member: Member, status: int) -> None:
        member.status = status
        if member.gate is not None:
            member.refuse("confinement", "the child ended early")
        self._end(member)

    def _init_died(self, member: Member) -> None:
        self._loop.forget(member.init_pidfd)
        os.waitpid(member.init_pid, 0)
        os.close(member.init_pidfd)
        member.init_pid, member.init_pidfd = 0, -1
        self._end(member)

    def _finish(self, member: Member) -> None:
        """When the last process is gone: report, and remove the last trace."""
        if member.init_pidfd >= 0 or (member.pidfd >= 0 and member.status is None):
            return
        if member.spawn.kernel_id in self._keepers:
            return
        if self._members.pop(member.spawn.kernel_id, None) is None:
            return
        if member.pidfd >= 0:
            self._loop.forget(member.pidfd)
            os.close(member.pidfd)
            self._by_pid.pop(member.pid, None)
        seen = self._watchdog.forget(member.spawn.kernel_id)
        if seen is not None:
            member.peak_bytes = seen.peak_bytes
        if self._workplaces:
            self._kill_strangers()
            self._workplaces.remove(member.work_dir, member.uid)
        self._tell(member.exit_report())
        self._removal.remove(member.cgroup)
        if self._has_own_uids:
            self._uids.give_back(member.uid)
        if not self._members:
            self._on_empty()

    # ---- when a zygote dies --------------------------------------------------------------------------------------

    def zygote_gone(self, zygote: Zygote) -> None:
        """Its kernels live on as the spawner's children; the forks it owed are kept for the next one."""
        for member in list(self._members.values()):
            if member.spawn.kernel_id in zygote.waiting and not member.asked:
                self._stalled.append(member)
            elif member.zygote_pid == zygote.pid and member.status is None and _is_dead(member.pidfd):
                self._reap_here(member)
        self._kill_strangers()

    def resume(self, zygote: Zygote) -> None:
        """Ask *zygote* for the forks that a dead one owed."""
        stalled, self._stalled = self._stalled, []
        for member in stalled:
            if member.spawn.kernel_id in self._members and not member.asked:
                self._ask_fork(member, zygote)

    def refuse_stalled(self, reason: str) -> None:
        """Nobody should wait for a zygote that keeps dying."""
        stalled, self._stalled = self._stalled, []
        for member in stalled:
            member.refuse("zygote", reason)
            self._end(member)

    def _kill_strangers(self) -> None:
        """Reap children nobody told of: a fork whose zygote died before saying so, or (L1) a dead kernel's processes.

        A pid namespace does not end before all of its dead are reaped.
        """
        kill_orphans(self._known())

    def _kill_stray(self) -> None:
        """End what left the tree of a living kernel (L1), where nobody would count it: a kernel keeps its own orphans."""
        if self._workplaces and strangers(self._known()):
            self._kill_strangers()

    def _known(self) -> set[int]:
        return {
            *self._zygotes,
            *self._by_pid,
            *self._keepers.pids(),
            *self._removal.pids(),
            *(member.init_pid for member in self._members.values()),
        }


def send_signal(pidfd: int, number: int) -> None:
    """Signal a process that may be dead already."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return


def _is_dead(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 0)[0])

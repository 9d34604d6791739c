"""The spawner's work: turn Spawn requests into confined, attested kernels, and dead kernels into Exited reports."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

from kernels import contract
from kernels.contract import (
    CHANNELS,
    Forked,
    Interrupt,
    Kill,
    Level,
    Packet,
    Ready,
    Reaped,
    Refused,
    Renew,
    Renewed,
    Shutdown,
    Spawn,
    SpawnerOptions,
    Started,
)
from kernels.sandbox import identity
from kernels.sandbox.attest import AttestationFailed, Expectation, attest
from kernels.sandbox.cgroup import Cgroups
from kernels.spawner.family import Member
from kernels.spawner.identity import Uids
from kernels.spawner.init import InitPlace, fork_init
from kernels.spawner.loop import Loop
from kernels.spawner.tree import kill_orphans
from kernels.spawner.zygotes import Nursery, Zygote, with_extra

KERNEL_ID = re.compile(r"[0-9a-f-]{8,64}")
RESTART_DELAYS_S = (0.0, 0.5, 2.0, 5.0, 15.0)
GIVE_UP_AFTER = 5
CLOSE_S = 10.0


class Spawner:
    """One gateway's kernels. Single-threaded: every method runs to its end before the next packet is looked at."""

    def __init__(
        self,
        control: socket.socket,
        options: SpawnerOptions,
        level: Level,
        cgroups: Cgroups,
        loop: Loop,
        facilities: dict[str, str],
    ) -> None:
        self._control, self._options, self._level = control, options, level
        self._cgroups, self._loop, self._facilities = cgroups, loop, facilities
        self._uids = Uids(options.uid_base, options.uid_count, options.instance)
        self._members: dict[str, Member] = {}
        self._by_pid: dict[int, Member] = {}
        self._queue: list[tuple[Spawn, tuple[int, ...]]] = []
        self._stalled: list[Member] = []
        self._zygote: Zygote | None = None
        self._zygotes: dict[int, Zygote] = {}
        self._failures = 0
        self._said_ready = False
        self._closing = False
        self._has_own_uids = level is Level.L3 or (level is Level.L1 and identity.may_change())
        self._own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self.nursery: Nursery

    # ---- the gateway's requests ----------------------------------------------------------------------------------

    def hear_gateway(self) -> None:
        """Take one packet from the gateway; its end is ours."""
        try:
            received = contract.receive(self._control, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:
            received = None
        if received is None:
            self.close()
            return
        packet, fds = received
        match packet:
            case Spawn():
                self._spawn(packet, tuple(fds))
            case Kill(kernel_id=kernel_id):
                self._kill(kernel_id)
            case Interrupt(kernel_id=kernel_id):
                self._interrupt(kernel_id)
            case Renew(extra_dirs=extra_dirs):
                self.nursery.spec = with_extra(self.nursery.spec, extra_dirs)
                self.start_zygote()
            case Shutdown():
                self.close()
            case _:
                raise contract.ContractError(f"a spawner does not take {type(packet).__name__}")

    def _spawn(self, spawn: Spawn, fds: tuple[int, ...]) -> None:
        problem = self._problem(spawn, fds)
        if problem:
            for fd in fds:
                os.close(fd)
            self._tell(Refused(spawn.kernel_id, "request", problem))
        elif self._zygote is None or self._zygote.warm is None:
            self._queue.append((spawn, fds))
        else:
            self._begin(spawn, fds, self._zygote)

    def _problem(self, spawn: Spawn, fds: tuple[int, ...]) -> str:
        if self._closing:
            return "the spawner is closing"
        if not KERNEL_ID.fullmatch(spawn.kernel_id):
            return "the kernel id is not of the agreed form"
        if spawn.kernel_id in self._members or any(spawn.kernel_id == other.kernel_id for other, _ in self._queue):
            return "there is a kernel with this id"
        if len(fds) != len(CHANNELS):
            return f"{len(fds)} sockets were passed, not {len(CHANNELS)}"
        return ""

    def _begin(self, spawn: Spawn, fds: tuple[int, ...], zygote: Zygote) -> None:
        """Give the kernel its cgroup, its pid namespace and its identity, and ask the zygote for the fork."""
        uid = self._uids.take() if self._has_own_uids else os.geteuid()
        gid = uid if self._has_own_uids else os.getegid()
        try:
            member = Member(
                spawn,
                fds,
                uid,
                gid,
                self._cgroups.create(spawn.kernel_id, spawn.policy),
                self._work_dir(spawn, uid),
            )
        except OSError as error:
            self._uids.give_back(uid)
            for fd in fds:
                os.close(fd)
            self._tell(Refused(spawn.kernel_id, "cgroup", str(error)))
            return
        self._members[spawn.kernel_id] = member
        try:
            if self._level >= Level.L2:
                place = InitPlace(self._level, uid, gid, zygote.mount_namespace, zygote.network_namespace)
                member.init_pid = fork_init(place, self._own_pid_namespace)
                member.init_pidfd = os.pidfd_open(member.init_pid)
                self._loop.watch(member.init_pidfd, lambda: self._init_died(member))
            self._ask_fork(member, zygote)
        except OSError as error:
            member.refuse("pid namespace", str(error))
            self._end(member)

    def _ask_fork(self, member: Member, zygote: Zygote) -> None:
        ours, theirs = socket.socketpair()
        namespaces: list[int] = []
        try:
            if member.init_pid:
                namespaces.append(os.open(f"/proc/{member.init_pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC))
            zygote.ask_fork(member.fork_request(self._level), (*member.fds, theirs.fileno(), *namespaces))
            if member.gate is not None:
                member.gate.close()
            member.gate = ours
            self._loop.watch(ours.fileno(), lambda: self._gate_spoke(member))
        finally:
            theirs.close()
            for fd in namespaces:
                os.close(fd)

    def _work_dir(self, spawn: Spawn, uid: int) -> str:
        """Where the kernel works: a tmpfs of its own, or (L1, without mounts) a directory of its own on the host."""
        if self._level >= Level.L2:
            return "/work"
        work = Path(self._options.work_root) / spawn.kernel_id
        work.mkdir(mode=0o700)
        os.chown(work, uid, uid if self._has_own_uids else -1)
        return str(work)

    def _kill(self, kernel_id: str) -> None:
        for index, (spawn, fds) in enumerate(self._queue):
            if spawn.kernel_id == kernel_id:
                del self._queue[index]
                for fd in fds:
                    os.close(fd)
                self._tell(Refused(kernel_id, "request", "killed before it was started"))
                return
        member = self._members.get(kernel_id)
        if member is not None:
            member.asked = True
            self._end(member)

    def _interrupt(self, kernel_id: str) -> None:
        member = self._members.get(kernel_id)
        if member is not None and member.started and member.status is None:
            try:
                os.killpg(member.pid, signal.SIGINT)
            except (ProcessLookupError, PermissionError):
                # Dying already; its end is reported in due course.
                return

    # ---- a kernel's way up ---------------------------------------------------------------------------------------

    def forked(self, zygote: Zygote, forked: Forked) -> None:
        """The zygote answered: put the child into its cgroup while it is still confining itself."""
        member = self._members.get(forked.kernel_id)
        if member is None:
            if forked.pid:
                os.kill(forked.pid, signal.SIGKILL)
            return
        if forked.pid == 0:
            member.refuse("fork", forked.reason)
            self._end(member)
            return
        member.pid, member.pidfd, member.zygote_pid = forked.pid, os.pidfd_open(forked.pid), zygote.pid
        member.foreign = zygote.foreign
        self._by_pid[forked.pid] = member
        self._loop.watch(member.pidfd, lambda: self._kernel_died(member))
        try:
            member.cgroup.attach(forked.pid)
        except OSError as error:
            member.refuse("cgroup", str(error))
            self._end(member)
        else:
            self._release(member)
        self._recycle(zygote)

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
        try:
            attest(member.pid, self._expectation(member))
            member.gate.send(b"go")
        except (AttestationFailed, OSError) as error:
            member.refuse("attestation", str(error))
            self._end(member)
            return
        member.steps_ms["attest"] = (time.perf_counter() - begun) * 1000
        member.started = True
        member.close_request()
        self._tell(Started(member.spawn.kernel_id, member.pid, member.steps_ms))

    def _expectation(self, member: Member) -> Expectation:
        uid = member.uid if self._has_own_uids else None
        return Expectation(self._level, uid, uid, member.foreign)

    # ---- a kernel's way down -------------------------------------------------------------------------------------

    def _end(self, member: Member) -> None:
        """Kill everything the kernel is; the rest follows from its processes' ends."""
        if member.init_pidfd >= 0:
            _signal(member.init_pidfd, signal.SIGKILL)
        if member.pidfd >= 0 and member.status is None:
            _signal(member.pidfd, signal.SIGKILL)
        if self._level < Level.L2:
            # Above that the end of its pid namespace is the end of all its processes.
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
            # The zygote is ending: gone() reaps, once the kernel has become the spawner's child.
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
        if self._members.pop(member.spawn.kernel_id, None) is None:
            return
        if member.pidfd >= 0:
            os.close(member.pidfd)
            self._by_pid.pop(member.pid, None)
        if self._level < Level.L2:
            kill_orphans(self._known_pids())
            shutil.rmtree(member.work_dir, ignore_errors=True)
        self._tell(member.exit_report())
        member.cgroup.remove()
        self._uids.give_back(member.uid)
        if self._closing and not self._members:
            self._loop.stop()

    # ---- zygotes -------------------------------------------------------------------------------------------------

    def start_zygote(self) -> None:
        """Start the zygote that will serve next."""
        if not self._closing:
            zygote = self.nursery.start()
            self._zygotes[zygote.pid] = zygote

    def warm(self, zygote: Zygote) -> None:
        """A zygote is ready: it serves from now on, and the one before it is let go."""
        wanted = tuple(extra.source for extra in self.nursery.spec.extra_dirs)
        if self._zygote is not None and zygote.extra_dirs != wanted:
            # Started before the packages changed, warm after: a newer one is on its way.
            self.nursery.release(zygote)
            return
        previous, self._zygote, self._failures = self._zygote, zygote, 0
        if previous is not None:
            self.nursery.release(previous)
        if zygote.warm is not None and not self._said_ready:
            self._said_ready = True
            self._tell(Ready(self._level.label, zygote.warm.python_version, self._facilities, zygote.warm.packages))
        elif previous is None or previous.extra_dirs != zygote.extra_dirs:
            self._tell(Renewed(list(zygote.extra_dirs)))
        self._resume(zygote)

    def _resume(self, zygote: Zygote) -> None:
        """Serve the starts that waited for a zygote, and those whose zygote died before it forked."""
        stalled, self._stalled = self._stalled, []
        for member in stalled:
            if member.spawn.kernel_id in self._members and not member.asked:
                self._ask_fork(member, zygote)
        queue, self._queue = self._queue, []
        for spawn, fds in queue:
            self._begin(spawn, fds, zygote)

    def gone(self, zygote: Zygote, status: int) -> None:
        """A zygote is dead: its kernels live on, the forks it owed go to the next one."""
        del self._zygotes[zygote.pid]
        # A release is the only expected end; anything else is a death, also before it was warm.
        died = self._zygote is zygote or zygote.warm is None
        if self._zygote is zygote:
            self._zygote = None
        for member in list(self._members.values()):
            if member.spawn.kernel_id in zygote.waiting and not member.asked:
                self._stalled.append(member)
            elif member.zygote_pid == zygote.pid and member.status is None and _is_dead(member.pidfd):
                self._reap_here(member)
        # A child it forked but never told of has come to the spawner; its pid namespace could not end before it is reaped.
        kill_orphans(self._known_pids())
        if self._zygote is not None:
            self._resume(self._zygote)
        if died and not self._closing:
            self._replace_zygote(status)

    def _replace_zygote(self, status: int) -> None:
        self._failures += 1
        if self._failures >= GIVE_UP_AFTER and not self._said_ready:
            sys.stderr.write(f"spawner: no zygote could be started (wait status {status})\n")
            self.close()
            return
        if self._failures >= GIVE_UP_AFTER:
            self._refuse_waiting()
        delay_s = RESTART_DELAYS_S[min(self._failures - 1, len(RESTART_DELAYS_S) - 1)]
        self._loop.call_later(delay_s, self.start_zygote)

    def _known_pids(self) -> set[int]:
        """Every process the spawner started or was told of."""
        return {*self._zygotes, *self._by_pid, *(member.init_pid for member in self._members.values())}

    def _refuse_waiting(self) -> None:
        """Nobody should wait for a zygote that keeps dying."""
        for spawn, fds in self._queue:
            for fd in fds:
                os.close(fd)
            self._tell(Refused(spawn.kernel_id, "zygote", "no zygote can be started"))
        for member in self._stalled:
            member.refuse("zygote", "no zygote can be started")
            self._end(member)
        self._queue, self._stalled = [], []

    def _recycle(self, zygote: Zygote) -> None:
        """After a number of forks a fresh zygote takes over: new address layout, new hash secret, no slow growth."""
        if zygote is self._zygote and zygote.forks == self._options.forks_per_zygote:
            self.start_zygote()

    # ---- the end -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End every kernel and zygote and remove every trace; run() returns when that is done."""
        if self._closing:
            return
        self._closing = True
        self._loop.forget(self._control.fileno())
        for _spawn, fds in self._queue:
            for fd in fds:
                os.close(fd)
        self._queue = []
        for member in list(self._members.values()):
            member.asked = True
            self._end(member)
        self._loop.call_later(CLOSE_S, self._loop.stop)
        if not self._members:
            self._loop.stop()

    def end_zygotes(self) -> None:
        """Kill what zygotes there are; called after the loop has ended."""
        for zygote in list(self._zygotes.values()):
            _signal(zygote.pidfd, signal.SIGKILL)
            os.waitpid(zygote.pid, 0)
        self._cgroups.sweep()
        self._cgroups.close()

    def _tell(self, packet: Packet) -> None:
        try:
            contract.send(self._control, packet)
        except (BrokenPipeError, ConnectionError):
            self.close()


def _signal(pidfd: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return


def _is_dead(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 0)[0])

"""All kernels of one gateway: passes each event to the life of its kernel, and performs the actions of that life."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable

from kernels.contract import Forked, Packet, PlaceGone, Reaped, RunCommand, Spawn
from kernels.spawner.actions import Part
from kernels.spawner.events import (
    Event,
    Exceeded,
    Fact,
    Failed,
    FilesAsked,
    GuestCame,
    MainForked,
    MainReaped,
    NoZygote,
    SignalAsked,
)
from kernels.spawner.life import Life, Stage, step
from kernels.spawner.member import Fds, Member
from kernels.spawner.performer import Performer
from kernels.spawner.preparer import Surroundings
from kernels.spawner.watchdog import Excess
from kernels.spawner.zygotes import Zygote


class Kernels:
    """Starts, watches and kills kernels. *tell* takes reports for the gateway; *zygotes* are the live ones by pid."""

    def __init__(
        self, around: Surroundings, zygotes: dict[int, Zygote], tell: Callable[[Packet], None], on_empty: Callable[[], None]
    ) -> None:
        self._on_empty = on_empty
        self._members: dict[str, Member] = {}
        self._events: deque[tuple[str, Event]] = deque()
        self._is_hearing = False
        self._tell = tell
        self._performer = Performer(around, zygotes, self._hear, tell, self._end_excess)

    def __contains__(self, kernel_id: str) -> bool:
        return kernel_id in self._members

    def __len__(self) -> int:
        return len(self._members)

    def _hear(self, kernel_id: str, event: Event) -> None:
        """Pass *event* to the kernel's life; one that comes while actions are performed is passed on after them."""
        self._events.append((kernel_id, event))
        if self._is_hearing:
            return
        self._is_hearing = True
        try:
            while self._events:
                self._pass(*self._events.popleft())
        finally:
            self._is_hearing = False

    def _pass(self, kernel_id: str, event: Event | None) -> None:
        """Pass *event* to the kernel's life and perform its actions, until they produce no further event."""
        member = self._members.get(kernel_id)
        if member is None:
            return
        while event is not None:
            member.life, actions = step(member.life, event)
            event = None
            for action in actions:
                event = self._performer.perform(member, action)
        if member.life.stage is Stage.GONE:
            self._members.pop(kernel_id, None)
            if not self._members:
                self._on_empty()

    def _hear_all(self, event: Event, members: list[Member]) -> None:
        for member in members:
            self._hear(member.id, event)

    # ---- requests of the gateway ---------------------------------------------------------------------------------

    def begin(self, spawn: Spawn, fds: Fds, zygote: Zygote) -> None:
        """Start a kernel with *zygote*; Started or Refused follows."""
        member = Member(spawn, fds, zygote, os.geteuid(), os.getegid())
        parts, event = self._performer.prepare(member)
        member.life = Life(parts)
        self._members[spawn.kernel_id] = member
        self._hear(spawn.kernel_id, event)

    def join(self, asked: Spawn | RunCommand, fds: Fds, zygote: Zygote | None) -> bool:
        """Start a guest in the place of a held kernel; a report follows. Only a command needs no *zygote*.

        False, and nothing is done, if there is no such kernel.
        """
        owner = self._members.get(asked.place)
        if owner is None:
            return False
        guest = Member(asked, fds, zygote or owner.zygote, owner.uid, owner.gid, owner.cgroup, owner.work_dir)
        guest.life = Life(frozenset((Part.REQUEST, Part.SEAT)))
        self._members[guest.id] = guest
        self._performer.hosting.seat(owner, guest)
        self._hear(owner.id, GuestCame(guest.id))
        return True

    def kill(self, kernel_id: str) -> None:
        """Kill this kernel or command, if it exists; its end is told. A place that is held stays."""
        self._hear(kernel_id, Fact.KILL_ASKED)

    def kill_all(self) -> None:
        """End every kernel."""
        self._hear_all(Fact.END_ASKED, list(self._members.values()))

    def hold(self, kernel_id: str) -> None:
        """Let the kernel's place outlive its process; PlaceGone follows, in the end or at once."""
        self._ask_of_place(kernel_id, Fact.HOLD_ASKED)

    def end_place(self, kernel_id: str) -> None:
        """End this held kernel and all its guests; PlaceGone follows."""
        self._ask_of_place(kernel_id, Fact.END_ASKED)

    def _ask_of_place(self, kernel_id: str, fact: Fact) -> None:
        if kernel_id in self._members:
            self._hear(kernel_id, fact)
        else:
            self._tell(PlaceGone(kernel_id))

    def signal(self, command_id: str, number: int) -> None:
        """Send a signal to a command's process group, if it runs."""
        member = self._members.get(command_id)
        if member is not None and isinstance(member.asked, RunCommand):
            self._hear(command_id, SignalAsked(number))

    def interrupt(self, kernel_id: str) -> None:
        """Send SIGINT to the kernel's process group, if it runs."""
        self._hear(kernel_id, Fact.INTERRUPT_ASKED)

    def open_files(self, kernel_id: str, channel: int) -> None:
        """Let a files helper serve the kernel's work directory on *channel*, or answer there that there is none."""
        if kernel_id in self._members:
            self._hear(kernel_id, FilesAsked(channel))
        else:
            self._performer.refuse_files(kernel_id, channel)

    # ---- events of zygotes and the watchdog ----------------------------------------------------------------------

    def forked(self, zygote: Zygote, answer: Forked) -> None:
        """A zygote's answer to a request for a fork."""
        if answer.pid <= 0:
            self._hear(answer.kernel_id, Failed("fork", answer.reason))
            return
        if answer.kernel_id not in self._members:
            self._performer.drop(zygote, answer.pid)
            return
        try:
            pidfd = os.pidfd_open(answer.pid)
        except OSError as error:
            self._performer.drop(zygote, answer.pid)
            self._hear(answer.kernel_id, Failed("fork", str(error)))
            return
        self._hear(answer.kernel_id, MainForked(answer.pid, pidfd))

    def reaped(self, _zygote: Zygote, answer: Reaped) -> None:
        """A zygote's answer to a request to reap."""
        kernel_id = self._performer.kernel_of.get(answer.pid, "")
        self._hear(kernel_id, MainReaped(max(answer.status, 0)))

    def zygote_gone(self, zygote: Zygote) -> None:
        """A zygote died: its kernels become the spawner's children, and its open fork requests wait for the next one."""
        self._hear_all(Fact.ZYGOTE_GONE, [member for member in self._members.values() if member.zygote is zygote])
        self._performer.kill_strangers()

    def resume(self, zygote: Zygote) -> None:
        """Ask *zygote* for the open fork requests of a dead one."""
        stalled = [member for member in self._members.values() if member.life.stage is Stage.STALLED]
        for member in stalled:
            member.zygote = zygote
        self._hear_all(Fact.NEXT_ZYGOTE, stalled)

    def refuse_stalled(self, reason: str) -> None:
        """Refuse the kernels that wait for a zygote, because zygotes keep dying."""
        self._hear_all(NoZygote(reason), list(self._members.values()))

    def _end_excess(self, kernel_id: str, excess: Excess) -> None:
        """The watchdog found this kernel above a limit."""
        sys.stderr.write(f"spawner: kernel {kernel_id} killed: it has more {excess.value} than allowed\n")
        self._hear(kernel_id, Exceeded(is_memory=excess is Excess.MEMORY))

"""Places with guests: who is in which, how they begin, and how they end with it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from kernels.contract import RunCommand
from kernels.spawner.actions import Admit, Part, TurnAway
from kernels.spawner.commands import CommandStart, fork_command
from kernels.spawner.events import Event, Exceeded, Fact, Failed, MainForked
from kernels.spawner.member import Member
from kernels.spawner.place import open_place
from kernels.spawner.preparer import Surroundings

NO_PLACE: Final = "there is no such place"
MOST: Final = 128
"""Maximum guests of one place at a time; its limit on processes is lower as a rule."""


@dataclass(slots=True)
class Hosting:
    """The guests of each place, by the id of the kernel that is held. *hear* takes events."""

    around: Surroundings
    hear: Callable[[str, Event], None]
    _guests: dict[str, dict[str, Member]] = field(default_factory=dict)

    def seat(self, owner: Member, guest: Member) -> None:
        """Count *guest* among those of *owner*, whose answer to it is to come."""
        self._guests.setdefault(owner.id, {})[guest.id] = guest

    def answer(self, owner: Member, told: Admit | TurnAway) -> None:
        """Let the start of a guest begin, or fail."""
        guests = self._guests.get(owner.id, {})
        guest = guests.get(told.guest_id)
        if guest is None:
            return
        if isinstance(told, TurnAway) or owner.place is None:
            self.hear(guest.id, Failed("place", NO_PLACE))
        elif len(guests) > MOST:
            self.hear(guest.id, Failed("place", f"{MOST} kernels and commands are in it already"))
        else:
            guest.place, guest.oom_kills = owner.place, owner.cgroup.oom_kills()
            self.hear(guest.id, Fact.BEGUN)

    def hold(self, member: Member) -> Event | None:
        """Open what guests will join."""
        try:
            member.place = open_place(member.pid, member.own_place(), self.around.level, member.namespaces)
        except OSError:
            return Fact.NOT_HELD
        return None

    def fork_command(self, member: Member, asked: RunCommand, gate: int) -> MainForked:
        """A child that will be this command; raises OSError, and then there is none."""
        if member.place is None:
            raise ProcessLookupError("it has no place")
        start = CommandStart(
            asked=asked,
            place=member.place,
            streams=member.fds,
            gate=gate,
            level=self.around.level,
            readable=self.around.readable(),
            python=self.around.options.kernel_python,
            own_uid=self.around.has_own_uids,
        )
        pid = fork_command(start)
        try:
            return MainForked(pid, os.pidfd_open(pid))
        except OSError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise

    def end_guests(self, owner: Member) -> None:
        """End every guest, for the reason for which *owner* ends."""
        life = owner.life
        event = Fact.KILL_ASKED if life.is_asked else Exceeded(is_memory=life.is_out_of_memory)
        for guest_id in list(self._guests.get(owner.id, ())):
            self.hear(guest_id, event)

    def remove(self, member: Member, part: Part) -> None:
        """Let go of a place, or of a guest's seat in one."""
        if part is Part.PLACE:
            if member.place is not None:
                member.place.close()
            return
        guests = self._guests.get(member.asked.place, {})
        guests.pop(member.id, None)
        if not guests:
            self._guests.pop(member.asked.place, None)
            self.hear(member.asked.place, Fact.GUESTS_GONE)


def send_to_group(member: Member, number: int) -> None:
    """Signal a process, not reaped yet, and what it started in its process group."""
    with suppress(ProcessLookupError, PermissionError):  # already dying; its end is a separate event
        os.killpg(member.pid, number)

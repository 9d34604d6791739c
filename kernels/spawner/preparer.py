"""Prepares a kernel before the fork: a uid, a control group, a work directory (L1) or an init (L2 and up)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from kernels.contract import Level, SpawnerOptions
from kernels.sandbox.cgroup import Cgroups
from kernels.spawner.actions import Part
from kernels.spawner.events import Event, Fact, Failed
from kernels.spawner.identity import Uids
from kernels.spawner.init import InitPlace, fork_init
from kernels.spawner.loop import Loop
from kernels.spawner.member import Member
from kernels.spawner.removal import Removal
from kernels.spawner.workplace import Workplaces


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The common surroundings of all kernels, measured once."""

    options: SpawnerOptions
    level: Level
    has_own_uids: bool
    cgroups: Cgroups
    loop: Loop
    workplaces: Workplaces | None = None
    """Level L1 only: above it every kernel works in a file system of its own."""
    readable: Callable[[], tuple[str, ...]] = lambda: ("/",)
    """What a kernel may read at level L1."""


class Preparer:
    """Makes these parts in order, and releases them."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        options = around.options
        self._removal = Removal(around.loop)
        self._uids = Uids(options.uid_base, options.uid_count, options.instance)

    def prepare(self, member: Member) -> tuple[frozenset[Part], Event]:
        """Make every part that the fork needs; returns the parts made, and BEGUN, or Failed after the first failure."""
        made, doing = {Part.REQUEST}, "uid"
        try:
            if self._around.has_own_uids:
                member.uid = member.gid = self._uids.take()
                made.add(Part.UID)
            doing = "cgroup"
            member.cgroup = self._around.cgroups.create(member.id, member.policy)
            made.add(Part.GROUP)
            if self._around.workplaces:
                member.work_dir = self._around.workplaces.make(member.id, member.uid)
                made.add(Part.WORK_DIR)
            doing = "pid namespace"
            if self._around.level >= Level.L2:
                self._fork_init(member)
                made.add(Part.INIT)
        except OSError as error:
            return frozenset(made), Failed(doing, str(error))
        return frozenset(made), Fact.BEGUN

    def _fork_init(self, member: Member) -> None:
        namespaces = member.zygote.namespaces
        place = InitPlace(self._around.level, member.uid, member.gid, namespaces["mnt"], namespaces["net"])
        init = fork_init(place)
        member.pid_namespace = init.namespace
        try:
            member.init_pidfd = os.pidfd_open(init.pid)
        except OSError:
            os.kill(init.pid, signal.SIGKILL)
            os.waitpid(init.pid, 0)
            raise
        member.init_pid = init.pid

    def pids(self) -> set[int]:
        """The processes that remove control groups."""
        return self._removal.pids()

    def take_back(self, member: Member, part: Part) -> None:
        """Remove the parts of prepare(), except the init, which exits by itself or is killed."""
        match part:
            case Part.UID:
                self._uids.give_back(member.uid)
            case Part.GROUP:
                self._removal.remove(member.cgroup)
            case Part.WORK_DIR if self._around.workplaces:
                self._around.workplaces.remove(member.work_dir, member.uid)

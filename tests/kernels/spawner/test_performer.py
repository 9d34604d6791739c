"""Actions on what is real: processes, descriptors, the watchdog."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kernels.contract import MIB, Level, Packet, Policy, Spawn, SpawnerOptions
from kernels.sandbox.cgroup import Cgroups
from kernels.spawner.actions import Do, KillPart, Part, Remove, TellExited
from kernels.spawner.events import Event, Fact, MainReaped
from kernels.spawner.loop import Loop
from kernels.spawner.member import Member
from kernels.spawner.performer import Performer
from kernels.spawner.preparer import Surroundings
from kernels.spawner.watchdog import Excess
from kernels.spawner.zygotes import Zygote

HOG = "held = bytearray(b'x') * (100 << 20); print('here', flush=True); import time; time.sleep(1000)"


class World:
    """A performer whose zygote is dead, so that what it forked is the spawner's child, and what it said."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.heard: list[Event] = []
        self.told: list[Packet] = []
        self.excess: list[Excess] = []
        around = Surroundings(SpawnerOptions("test", "", "", ""), Level.L1, False, Cgroups("none", None), self.loop)
        self.performer = Performer(around, {}, self._hear, self.told.append, self._exceeded)

    def _hear(self, _kernel_id: str, event: Event) -> None:
        self.heard.append(event)
        self.loop.stop()

    def _exceeded(self, _kernel_id: str, excess: Excess) -> None:
        self.excess.append(excess)
        self.loop.stop()

    def wait(self) -> None:
        """Serve the loop until something happened."""
        self.loop._running = True
        self.loop.run()


@pytest.fixture
def hog() -> Iterator[subprocess.Popen[str]]:
    """A process that stands for a kernel and has 100 MiB."""
    with subprocess.Popen([sys.executable, "-c", HOG], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_what_a_kernel_used_is_known_after_the_watchdog_ended_it(hog: subprocess.Popen[str]) -> None:
    """Where no control group counts: it is told with the kernel's end, whoever ended it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        world, owner = World(), Zygote(1, -1, ours, owner=None)  # type: ignore[arg-type]  # it is dead and says nothing
        member = Member(Spawn("a-kernel", "python", "key", Policy(memory_bytes=MIB)), (), owner, os.geteuid(), os.getegid())
        member.pid, member.pidfd = hog.pid, os.pidfd_open(hog.pid)
        world.performer.perform(member, Do.WATCH)
        world.wait()
        world.performer.perform(member, Remove(Part.WATCH))
        assert world.excess == [Excess.MEMORY]
        world.performer.perform(member, KillPart(Part.PROCESS))
        assert world.performer.perform(member, Do.REAP) == MainReaped(9)
        assert world.performer.perform(member, Do.REAP) == MainReaped(0), "what is reaped already has no status any more"
        world.performer.perform(member, Remove(Part.PROCESS))
        world.performer.perform(member, TellExited(9, False, True))
        (exited,) = world.told
        assert exited.peak_bytes > 100 * MIB  # type: ignore[union-attr]  # it is an Exited


def test_a_closed_gate_is_told_once() -> None:
    """Its end is readable for ever: after one word the loop does not look at it any more."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        theirs.close()
        world, owner = World(), Zygote(1, -1, ours, owner=None)  # type: ignore[arg-type]  # nobody is to be told
        member = Member(Spawn("a-kernel", "python", "key"), (), owner, os.geteuid(), os.getegid())
        assert world.performer.perform(member, Do.ASK_FORK) is None, "a dead zygote is no failure of the kernel"
        world.wait()
        world.loop.call_later(0, world.loop.stop)
        world.wait()
        assert world.heard == [Fact.GATE_CLOSED]
        world.performer.perform(member, Remove(Part.GATE))
        assert member.gate is None

"""Zygotes that say what no zygote says: each is ended, and the spawner goes on."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from kernels import contract
from kernels.contract import Forked, Kill, Level, Reaped, Warm
from kernels.sandbox import root
from kernels.spawner.loop import Loop
from kernels.spawner.zygotes import Nursery, Zygote
from tests.kernels.sandbox.trial import sleeper


class Owner:
    """Notes what it is told."""

    def __init__(self, loop: Loop) -> None:
        self.told: list[str] = []
        self._loop = loop

    def warm(self, _zygote: Zygote) -> None:
        """Never, here."""
        self.told.append("warm")

    def forked(self, _zygote: Zygote, _forked: Forked) -> None:
        """Once, here."""
        self.told.append("forked")

    def reaped(self, _zygote: Zygote, _reaped: Reaped) -> None:
        """Never, here."""
        self.told.append("reaped")

    def gone(self, _zygote: Zygote, status: int) -> None:
        """The end."""
        self.told.append(f"gone {os.WTERMSIG(status)}")
        self._loop.stop()


@pytest.mark.parametrize("said", [b"nonsense", contract.encode(Kill("k")), contract.encode(Warm("3"))])
def test_a_zygote_that_says_what_none_says_is_ended(said: bytes) -> None:
    """What it said before counts; its end is told like any other, so that another one takes over."""
    loop = Loop()
    owner, nursery = Owner(loop), Nursery(loop, root.RootSpec("/usr/bin/python3", "/app"), Level.L1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = sleeper()
    with theirs:
        zygote = Zygote(pid, os.pidfd_open(pid), ours, owner)
        loop.watch(ours.fileno(), lambda: nursery._take_one(zygote))
        loop.watch(zygote.pidfd, lambda: nursery.bury(zygote))
        contract.send(theirs, Forked("k", 0))
        theirs.send(said)
        loop.run()
    assert owner.told == ["forked", f"gone {signal.SIGKILL}"]

"""The gateway's requests about held kernels, their places and commands."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kernels.contract import CommandRefused, EndPlace, Hold, Packet, PlaceRequest, RunCommand, SignalCommand
from kernels.spawner.hosting import NO_PLACE
from kernels.spawner.kernels import Kernels
from kernels.spawner.member import Fds

STREAMS: Final = 3
"""A command's stdin, stdout and stderr."""


@dataclass(frozen=True, slots=True)
class PlaceRequests:
    """Passes each request on to *kernels*. *problem_of* says why an id can't be a new one, or nothing."""

    kernels: Kernels
    tell: Callable[[Packet], None]
    problem_of: Callable[[str], str]

    def hear(self, packet: PlaceRequest, fds: Fds) -> None:
        """Carry out *packet*, which *fds* came with."""
        match packet:
            case Hold(kernel_id=kernel_id):
                self.kernels.hold(kernel_id)
            case EndPlace(kernel_id=kernel_id):
                self.kernels.end_place(kernel_id)
            case SignalCommand(command_id=command_id, signal=number):
                if number in signal.valid_signals():
                    self.kernels.signal(command_id, number)
            case RunCommand():
                self._run_command(packet, fds)

    def _run_command(self, asked: RunCommand, fds: Fds) -> None:
        step, problem = "request", self.problem_of(asked.command_id)
        if not problem and (len(fds) != STREAMS or not all(_is_stream(fd) for fd in fds)):
            problem = f"{len(fds)} descriptors were passed, not {STREAMS} sockets or pipes"
        if not problem and not self.kernels.join(asked, fds, None):
            step, problem = "place", NO_PLACE
        if problem:
            for fd in fds:
                os.close(fd)
            self.tell(CommandRefused(asked.command_id, step, problem))


def _is_stream(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode)

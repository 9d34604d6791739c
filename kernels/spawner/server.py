"""Serves the gateway's packets, and keeps zygotes for it."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import sys

from kernels import contract
from kernels.contract import (
    CHANNELS,
    PACKAGE_MISSING,
    EndPlace,
    Forked,
    Hold,
    Interrupt,
    Kill,
    NotRenewed,
    OpenFiles,
    Packet,
    Reached,
    Ready,
    Reaped,
    Refused,
    Renew,
    Renewed,
    RunCommand,
    Shutdown,
    SignalCommand,
    Spawn,
)
from kernels.spawner.hosting import NO_PLACE
from kernels.spawner.kernels import Kernels
from kernels.spawner.member import Fds
from kernels.spawner.performer import send_signal
from kernels.spawner.place_requests import PlaceRequests
from kernels.spawner.preparer import Surroundings
from kernels.spawner.shown import showable
from kernels.spawner.zygotes import Nursery, Zygote

KERNEL_ID = re.compile(r"[0-9a-f-]{8,64}")
RESTART_DELAYS_S = (0.0, 0.5, 2.0, 5.0, 15.0)
GIVE_UP_AFTER = 5
CLOSE_S = 10.0
MOST_COMPLAINTS = 100
NO_ZYGOTE = "no zygote can be started"


class Spawner:
    """One gateway's spawner. Single-threaded: every method returns before the next packet is read."""

    def __init__(self, control: socket.socket, around: Surroundings, nursery: Nursery, facilities: dict[str, str]) -> None:
        self._control, self._around, self._nursery, self._facilities = control, around, nursery, facilities
        self._loop = around.loop
        self._zygotes: dict[int, Zygote] = {}
        self._kernels = Kernels(around, self._zygotes, self._tell, self._emptied)
        self._places = PlaceRequests(self._kernels, self._tell, self._id_problem)
        self._queue: list[tuple[Spawn, Fds]] = []
        self._zygote: Zygote | None = None
        self._failures = 0
        self._complaints = 0
        self._said_ready = False
        self._closing = False
        self.exit_code = 0

    def start(self) -> None:
        """Listen to the gateway, tell it the level and start the first zygote."""
        self._loop.watch(self._control.fileno(), self._hear)
        self._tell(Reached(self._around.level.label))
        self._start_zygote()

    # ---- the gateway's requests ----------------------------------------------------------------------------------

    def _hear(self) -> None:
        """Take one packet from the gateway; end when the gateway ends."""
        try:
            received = contract.receive(self._control, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:
            received = None
        except contract.ContractError as error:
            self._complain(str(error))
            return
        if received is None:
            self.close()
            return
        packet, fds = received
        if fds and not isinstance(packet, Spawn | OpenFiles | RunCommand):
            for fd in fds:
                os.close(fd)
        match packet:
            case Spawn():
                self._spawn(packet, tuple(fds))
            case Kill(kernel_id=kernel_id):
                self._kill(kernel_id)
            case Interrupt(kernel_id=kernel_id):
                self._kernels.interrupt(kernel_id)
            case OpenFiles(kernel_id=kernel_id):
                self._open_files(kernel_id, tuple(fds))
            case Renew(extra_dirs=extra_dirs):
                self._renew(extra_dirs)
            case Shutdown():
                self.close()
            case Hold() | EndPlace() | RunCommand() | SignalCommand():
                self._places.hear(packet, tuple(fds))
            case _:
                self._complain(f"unexpected packet {type(packet).__name__} from the gateway")

    def _renew(self, extra_dirs: list[str]) -> None:
        """Have all of them shown, or none, and say so."""
        shown = showable(extra_dirs, self._around.options.extra_uid)
        if len(shown) == len(extra_dirs):
            self._nursery.show(shown)
            self._start_zygote()
            return
        for extra in shown:
            extra.close()
        self._tell(NotRenewed())

    def _complain(self, reason: str) -> None:
        """Log a dropped packet, at a bounded rate. A fault of the gateway must not kill kernels."""
        self._complaints += 1
        if self._complaints <= MOST_COMPLAINTS:
            sys.stderr.write(f"spawner: packet dropped: {reason[:200]}\n")

    def _spawn(self, spawn: Spawn, fds: Fds) -> None:
        problem = self._problem(spawn, fds)
        if problem:
            self._refuse(spawn.kernel_id, fds, "request", problem)
        elif self._zygote is None:
            self._queue.append((spawn, fds))
        else:
            self._begin(spawn, fds, self._zygote)

    def _begin(self, spawn: Spawn, fds: Fds, zygote: Zygote) -> None:
        if not spawn.place:
            self._kernels.begin(spawn, fds, zygote)
        elif not self._kernels.join(spawn, fds, zygote):
            self._refuse(spawn.kernel_id, fds, "place", NO_PLACE)

    def _id_problem(self, wanted: str) -> str:
        if self._closing:
            return "the spawner is closing"
        if not KERNEL_ID.fullmatch(wanted):
            return "the kernel id is malformed"
        if wanted in self._kernels or any(wanted == other.kernel_id for other, _ in self._queue):
            return "a kernel with this id exists already"
        return ""

    def _problem(self, spawn: Spawn, fds: Fds) -> str:
        if problem := self._id_problem(spawn.kernel_id):
            return problem
        if len(fds) != len(CHANNELS):
            return f"{len(fds)} sockets were passed, not {len(CHANNELS)}"
        return ""

    def _open_files(self, kernel_id: str, fds: Fds) -> None:
        if len(fds) == 1 and stat.S_ISSOCK(os.fstat(fds[0]).st_mode):
            self._kernels.open_files(kernel_id, fds[0])
            return
        for fd in fds:
            os.close(fd)

    def _kill(self, kernel_id: str) -> None:
        waiting = [item for item in self._queue if item[0].kernel_id == kernel_id]
        for spawn, fds in waiting:
            self._queue.remove((spawn, fds))
            self._refuse(kernel_id, fds, "request", "killed before it was started")
        if not waiting and kernel_id not in self._kernels:
            # Its request never arrived, or it is already gone: the gateway must not wait for it.
            self._tell(Refused(kernel_id, "request", "there is no kernel with this id"))
        self._kernels.kill(kernel_id)

    def _refuse(self, kernel_id: str, fds: Fds, step: str, reason: str) -> None:
        for fd in fds:
            os.close(fd)
        self._tell(Refused(kernel_id, step, reason))

    def _tell(self, packet: Packet) -> None:
        try:
            contract.send(self._control, packet)
        except ConnectionError:
            self.close()

    # ---- zygotes -------------------------------------------------------------------------------------------------

    def _start_zygote(self) -> None:
        """Start the zygote that will serve next."""
        if not self._closing:
            zygote = self._nursery.start(self)
            self._zygotes[zygote.pid] = zygote

    def warm(self, zygote: Zygote) -> None:
        """A zygote is ready: it serves from now on, and its predecessor is released."""
        if self._zygote is not None and zygote.extra_dirs != self._nursery.extra_dirs():
            # Started before the packages changed, warm after: a newer one is on its way.
            self._nursery.release(zygote)
            return
        previous, self._zygote, self._failures = self._zygote, zygote, 0
        if previous is not None:
            self._nursery.release(previous)
        if zygote.warm is not None and not self._said_ready:
            self._said_ready = True
            level, said = self._around.level.label, zygote.warm
            self._tell(Ready(level, said.python_version, self._facilities, said.packages))
        elif previous is None or previous.extra_dirs != zygote.extra_dirs:
            self._tell(Renewed(list(zygote.extra_dirs)))
        self._resume(zygote)

    def _resume(self, zygote: Zygote) -> None:
        """Serve the kernels that waited for a zygote, and those whose zygote died before it forked."""
        self._kernels.resume(zygote)
        queue, self._queue = self._queue, []
        for spawn, fds in queue:
            self._begin(spawn, fds, zygote)

    def forked(self, zygote: Zygote, forked: Forked) -> None:
        """A zygote's answer to a request; after a number of forks a fresh one takes over.

        It has a new address layout and a new hash secret, and ends any slow growth of the old one.
        """
        self._kernels.forked(zygote, forked)
        if zygote is self._zygote and not zygote.has_heir and zygote.forks >= self._around.options.forks_per_zygote:
            zygote.has_heir = True
            self._start_zygote()

    def reaped(self, zygote: Zygote, reaped: Reaped) -> None:
        """A zygote has collected a dead kernel."""
        self._kernels.reaped(zygote, reaped)

    def gone(self, zygote: Zygote, status: int) -> None:
        """A zygote is dead: its kernels live on, its open fork requests go to the next one."""
        del self._zygotes[zygote.pid]
        # A release is the only expected end; anything else is a death, also before it was warm.
        has_died = self._zygote is zygote or zygote.warm is None
        if self._zygote is zygote:
            self._zygote = None
        self._kernels.zygote_gone(zygote)
        if self._zygote is not None:
            self._resume(self._zygote)
        if has_died and not self._closing:
            self._replace_zygote(status)

    def _replace_zygote(self, status: int) -> None:
        self._failures += 1
        is_hopeless = os.waitstatus_to_exitcode(status) == PACKAGE_MISSING
        if not self._said_ready and (is_hopeless or self._failures >= GIVE_UP_AFTER):
            self.exit_code = PACKAGE_MISSING if is_hopeless else 1
            self.close()
            return
        if self._failures >= GIVE_UP_AFTER:
            queue, self._queue = self._queue, []
            for spawn, fds in queue:
                self._refuse(spawn.kernel_id, fds, "zygote", NO_ZYGOTE)
            self._kernels.refuse_stalled(NO_ZYGOTE)
        delay_s = RESTART_DELAYS_S[min(self._failures - 1, len(RESTART_DELAYS_S) - 1)]
        self._loop.call_later(delay_s, self._start_zygote)

    # ---- the end -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Kill every kernel and remove every trace; the loop stops when that is done or takes too long."""
        if self._closing:
            return
        self._closing = True
        self._loop.forget(self._control.fileno())
        for _spawn, fds in self._queue:
            for fd in fds:
                os.close(fd)
        self._queue = []
        self._loop.call_later(CLOSE_S, self._loop.stop)
        self._kernels.kill_all()
        if not self._kernels:
            self._loop.stop()

    def _emptied(self) -> None:
        if self._closing:
            self._loop.stop()

    def end_zygotes(self) -> None:
        """Kill the remaining zygotes; called after the loop has ended."""
        for zygote in self._zygotes.values():
            send_signal(zygote.pidfd, signal.SIGKILL)
            os.waitpid(zygote.pid, 0)

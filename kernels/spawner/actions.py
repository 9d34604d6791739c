"""The actions that a kernel's life (`life.py`) orders.

An action that may produce an event is the last of its list, so that no action is out of date when it is performed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """The parts of a kernel in the spawner. Each is removed once."""

    REQUEST = "request"
    """The sockets that the gateway passed, and the descriptor of the pid namespace: only needed to start."""
    GATE = "gate"
    UID = "uid"
    GROUP = "control group"
    WORK_DIR = "work directory"
    """Level L1 only, where no pid namespace ends all processes together."""
    INIT = "init"
    """Level L2 and up."""
    PROCESS = "process"
    ZOMBIE = "zombie"
    """The process, dead and not reaped."""
    HELPERS = "files helpers"
    PLACE = "place"
    """The descriptors that guests join, which outlive the process. Only of a kernel that is held."""
    GUESTS = "guests"
    """Kernels and commands in its place; each has a life of its own."""
    SEAT = "seat"
    """A guest's: it counts among the guests of another kernel, whose uid, control group and init it uses."""
    WATCH = "watch"


class Do(StrEnum):
    """The actions without parameters."""

    ASK_FORK = "ask fork"
    """Make the gate and ask the zygote to fork. Answered by Failed, or later by MainForked, Failed or ZYGOTE_GONE."""
    ATTEST = "attest"
    """Attest the child from outside. Answered by ATTESTED or Failed."""
    SEND_GO = "send go"
    """Send Go to the child. Answered by RELEASED or Failed."""
    WATCH = "watch"
    """Let the watchdog watch it."""
    TELL_STARTED = "tell started"
    """Tell the gateway that it has started."""
    HOLD = "hold"
    """Open the place, while its process lives. Answered by NOT_HELD if that fails."""
    TELL_PLACE_GONE = "tell place gone"
    """Tell the gateway that nothing is left of its place, or that it was never held."""
    INTERRUPT = "interrupt"
    """Send SIGINT to its process group."""
    REAP = "reap"
    """Let its parent reap the dead process. Answered by MainReaped, at once or later."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Put the child into its control group and let it confine itself. Answered by Failed, or later by CONFINED."""

    pid: int
    pidfd: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Kill a forked process that is no longer needed."""

    pid: int
    pidfd: int


@dataclass(frozen=True, slots=True)
class ServeFiles:
    """Let a files helper serve the work directory on *channel*. Answered by HELPERS_GONE if none is left."""

    channel: int


@dataclass(frozen=True, slots=True)
class RefuseFiles:
    """Answer on *channel* that the kernel does not exist."""

    channel: int


@dataclass(frozen=True, slots=True)
class Admit:
    """Let the start of this guest begin."""

    guest_id: str


@dataclass(frozen=True, slots=True)
class TurnAway:
    """Let the start of this guest fail: there is no such place."""

    guest_id: str


@dataclass(frozen=True, slots=True)
class SendSignal:
    """Send this signal to the process group."""

    number: int


@dataclass(frozen=True, slots=True)
class KillPart:
    """Kill this part; its end is a separate event."""

    part: Part


@dataclass(frozen=True, slots=True)
class Remove:
    """Close or release this part."""

    part: Part


@dataclass(frozen=True, slots=True)
class TellExited:
    """Tell the gateway how it ended, with the final usage of its control group."""

    status: int
    is_asked: bool
    is_out_of_memory: bool


@dataclass(frozen=True, slots=True)
class TellRefused:
    """Tell the gateway that no user code ran, and why."""

    step: str
    reason: str


_OfGuests = Admit | TurnAway | SendSignal
Action = Do | Adopt | Drop | ServeFiles | RefuseFiles | _OfGuests | KillPart | Remove | TellExited | TellRefused

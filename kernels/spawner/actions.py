"""What is to be done for a kernel, as its life (`life.py`) says it.

An action that may be answered with an event is the last of its list, so that no action is out of date when it is performed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What a kernel has in the spawner. Each part is removed once."""

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
    WATCH = "watch"


class Do(StrEnum):
    """What is to be done and needs no further word."""

    ASK_FORK = "ask fork"
    """Make the gate and ask the zygote. Answered by Failed, or later by MainForked, Failed or ZYGOTE_GONE."""
    ATTEST = "attest"
    """Look at the child from outside. Answered by ATTESTED or Failed."""
    SEND_GO = "send go"
    """Tell the child to go. Answered by RELEASED or Failed."""
    WATCH = "watch"
    """Have the watchdog look at it."""
    TELL_STARTED = "tell started"
    """Tell the gateway that it runs."""
    INTERRUPT = "interrupt"
    """Send SIGINT to its process group."""
    REAP = "reap"
    """Have the dead process reaped by its parent. Answered by MainReaped, at once or later."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Put the child into its control group and let it confine itself. Answered by Failed, or later by CONFINED."""

    pid: int
    pidfd: int


@dataclass(frozen=True, slots=True)
class Drop:
    """End a fork that nobody waits for."""

    pid: int
    pidfd: int


@dataclass(frozen=True, slots=True)
class ServeFiles:
    """Have a helper serve the work directory on *channel*. Answered by HELPERS_GONE when there is no helper then."""

    channel: int


@dataclass(frozen=True, slots=True)
class RefuseFiles:
    """Say on *channel* that there is no such kernel."""

    channel: int


@dataclass(frozen=True, slots=True)
class KillPart:
    """Kill this part; its end is an event of its own."""

    part: Part


@dataclass(frozen=True, slots=True)
class Remove:
    """Close or take back this part."""

    part: Part


@dataclass(frozen=True, slots=True)
class TellExited:
    """Tell the gateway how it ended, with the last numbers of its control group."""

    status: int
    is_asked: bool
    is_out_of_memory: bool


@dataclass(frozen=True, slots=True)
class TellRefused:
    """Tell the gateway that no user code ran, and why."""

    step: str
    reason: str


Action = Do | Adopt | Drop | ServeFiles | RefuseFiles | KillPart | Remove | TellExited | TellRefused

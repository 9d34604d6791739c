"""What happens to a kernel, as its life (`life.py`) is told it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fact(StrEnum):
    """What happens and needs no further word."""

    BEGUN = "begun"
    """Every part that is needed before the fork has been made."""
    CONFINED = "confined"
    """The child says through its gate that it took every isolation step."""
    GATE_CLOSED = "gate closed"
    """The gate was closed before the child said anything."""
    ATTESTED = "attested"
    """The look from outside agrees."""
    RELEASED = "released"
    """The child has been told to go."""
    INTERRUPT_ASKED = "interrupt asked"
    """The gateway wants the running code interrupted."""
    KILL_ASKED = "kill asked"
    """The gateway wants the kernel ended."""
    PROCESS_DIED = "process died"
    """Its main process has ended and is not reaped."""
    INIT_DIED = "init died"
    """The init has ended, and with it every process of the pid namespace."""
    HELPERS_GONE = "files helpers gone"
    """Its last files helper is reaped."""
    ZYGOTE_GONE = "zygote gone"
    """The zygote that was asked for this kernel is dead and reaped: what it forked is the spawner's child now."""
    NEXT_ZYGOTE = "next zygote"
    """There is a warm zygote again."""


@dataclass(frozen=True, slots=True)
class MainForked:
    """The zygote forked *pid*; the event hands over *pidfd*."""

    pid: int
    pidfd: int


@dataclass(frozen=True, slots=True)
class MainReaped:
    """Its main process is reaped; *status* is the wait status."""

    status: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A *step* of the way up failed: no user code will run."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class NoZygote:
    """No zygote can be started, for this *reason*."""

    reason: str


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The watchdog found it above a limit."""

    is_memory: bool


@dataclass(frozen=True, slots=True)
class FilesAsked:
    """The gateway wants the work directory served; the event hands over the socket *channel*."""

    channel: int


Event = Fact | MainForked | MainReaped | Failed | NoZygote | Exceeded | FilesAsked

"""The events of a kernel's life (`life.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fact(StrEnum):
    """The events without parameters."""

    BEGUN = "begun"
    """Every part that is needed before the fork exists."""
    CONFINED = "confined"
    """The child reported on its gate that it took every isolation step."""
    GATE_CLOSED = "gate closed"
    """The gate was closed before the child reported anything."""
    ATTESTED = "attested"
    """The attestation succeeded."""
    RELEASED = "released"
    """Go was sent to the child."""
    INTERRUPT_ASKED = "interrupt asked"
    """The gateway wants the running code interrupted."""
    HOLD_ASKED = "hold asked"
    """The gateway wants its place to outlive its process, so that guests can join it."""
    NOT_HELD = "not held"
    """What guests join could not be opened."""
    KILL_ASKED = "kill asked"
    """The gateway wants the kernel ended; a place that is held stays."""
    END_ASKED = "end asked"
    """The gateway wants the kernel ended, with its place and all guests."""
    PROCESS_DIED = "process died"
    """Its main process has ended and is not reaped."""
    INIT_DIED = "init died"
    """The init has ended, and with it every process of the pid namespace."""
    HELPERS_GONE = "files helpers gone"
    """Its last files helper was reaped."""
    GUESTS_GONE = "guests gone"
    """Of the last guest in its place nothing is left."""
    ZYGOTE_GONE = "zygote gone"
    """The kernel's zygote is dead and reaped: its children are the spawner's children now."""
    NEXT_ZYGOTE = "next zygote"
    """A warm zygote is available again."""


@dataclass(frozen=True, slots=True)
class MainForked:
    """The zygote forked *pid*; the event hands over *pidfd*."""

    pid: int
    pidfd: int


@dataclass(frozen=True, slots=True)
class MainReaped:
    """Its main process was reaped; *status* is the wait status."""

    status: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A *step* of the start failed: no user code will run."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class NoZygote:
    """No zygote can be started, for this *reason*."""

    reason: str


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The watchdog found the kernel above a limit."""

    is_memory: bool


@dataclass(frozen=True, slots=True)
class FilesAsked:
    """The gateway wants the work directory served; the event hands over the socket *channel*."""

    channel: int


@dataclass(frozen=True, slots=True)
class GuestCame:
    """A guest wants to join its place."""

    guest_id: str


@dataclass(frozen=True, slots=True)
class SignalAsked:
    """The gateway wants this signal sent."""

    number: int


Event = Fact | MainForked | MainReaped | Failed | NoZygote | Exceeded | FilesAsked | GuestCame | SignalAsked

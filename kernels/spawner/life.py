"""The life of one kernel in the spawner as a pure state machine: from an event to the next life and its actions.

No I/O, no clock, no descriptor held: `kernels.py` makes the events, `performer.py` performs the actions. A start that takes
too long is no event here: the gateway has the clock, and asks for a kill.

A column is a stage, a cell the stage that follows. `.`: nothing happens; `=`: the stage stays; `end`: see below.

    event            Request. Forking Stalled Confin. Attest. Releas. Running Hosting Held Ending Gone  what is done
    ---------------  -------- ------- ------- ------- ------- ------- ------- ------- ---- ------ ----  -------------------
    BEGUN            Forking  .       .       .       .       .       .       .       .    .      .     ASK_FORK
    MainForked       =        Confin. =       =       =       =       =       =       =    =      =     Adopt; else Drop
    ZYGOTE_GONE      .        Stalled .       .       .       .       .       .       =    =      .     Remove(GATE), REAP
    NEXT_ZYGOTE      .        .       Forking .       .       .       .       .       .    .      .     ASK_FORK
    NoZygote         .        .       end     .       .       .       .       .       .    .      .     end
    CONFINED         .        .       .       Attest. .       .       .       .       .    .      .     ATTEST
    ATTESTED         .        .       .       .       Releas. .       .       .       .    .      .     SEND_GO
    RELEASED         .        .       .       .       .       Running .       .       .    .      .     close, WATCH, TELL
    Failed           end      end     end     end     end     end     .       .       .    .      .     end
    GATE_CLOSED      .        .       .       end     end     end     .       .       .    .      .     end
    INTERRUPT_ASKED  .        .       .       .       .       .       =       =       .    .      .     INTERRUPT
    SignalAsked      .        .       .       .       .       .       =       =       .    .      .     SendSignal
    FilesAsked       =        =       =       =       =       =       =       =       =    =      =     ServeFiles; Refuse
    HELPERS_GONE     .        .       .       .       .       .       =       =       =    =      .     the last of `end`
    HOLD_ASKED       =        =       =       =       =       =       Hosting .       .    =      =     HOLD; or TELL
    NOT_HELD         .        .       .       .       .       .       .       end     .    .      .     end
    GuestCame        =        =       =       =       =       =       =       =       =    =      =     Admit; TurnAway
    GUESTS_GONE      .        .       .       .       .       .       .       =       =    =      .     the last of `end`
    KILL_ASKED       end      end     end     end     end     end     end     =       .    end    .     end; KillPart
    END_ASKED        end      end     end     end     end     end     end     end     end  end    .     end
    Exceeded         end      end     end     end     end     end     end     end     end  end    .     end
    PROCESS_DIED     .        .       .       Ending  Ending  Ending  Ending  Held    .    =      .     REAP
    MainReaped       .        .       .       end     end     end     end     Held    =    end    .     Remove(PROCESS)
    INIT_DIED        end      end     end     end     end     end     end     end     end  end    .     Remove(INIT), end

    close  Remove(REQUEST), Remove(GATE).
    end    Kill all that lives, close. The stage is Ending while a process, an init, a files helper or a guest is left.
           Then it is Gone: Remove(PLACE, WATCH, WORK_DIR), TellExited if it has run and that was not told, TellRefused if it
           never ran, TELL_PLACE_GONE if it was held, Remove(GROUP, UID, SEAT).

A held kernel (Hosting, Held) shares its place with guests. Each guest is a kernel or a command with a life of its own that
has a seat instead of a uid, a control group and an init. When the process of a held kernel ends, that is told at once, and
the place stays.
What is not there cannot die: the death of a part that the kernel does not have changes nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from kernels.spawner.actions import (
    Action,
    Admit,
    Adopt,
    Do,
    Drop,
    KillPart,
    Part,
    RefuseFiles,
    Remove,
    SendSignal,
    ServeFiles,
    TellExited,
    TellRefused,
    TurnAway,
)
from kernels.spawner.events import (
    Event,
    Exceeded,
    Fact,
    Failed,
    FilesAsked,
    GuestCame,
    MainForked,
    MainReaped,
    NoZygote,
    SignalAsked,
)


class Stage(StrEnum):
    """The stage of a kernel's life."""

    REQUESTED = "requested"
    """Its uid, control group, and work directory or init exist; no zygote has been asked."""
    FORKING = "forking"
    """A zygote has been asked."""
    STALLED = "stalled"
    """The zygote died without forking: the next one will be asked."""
    CONFINING = "confining"
    """The child performs the isolation steps."""
    ATTESTING = "attesting"
    """The child reported that it is confined; the spawner attests it."""
    RELEASING = "releasing"
    """The attestation succeeded; the spawner sends Go."""
    RUNNING = "running"
    """The gateway was sent Started, and user code may run."""
    HOSTING = "hosting"
    """As running; its place is held, and guests may join it."""
    HELD = "held"
    """Its process has ended; its place is held."""
    ENDING = "ending"
    """All processes are killed or dead, and one is not reaped yet."""
    GONE = "gone"
    """The gateway was sent Exited or Refused, and no part is left."""


class Life(NamedTuple):
    """The state of one kernel: its stage and its existing *parts*. *refusal*: why no user code ran.

    A named tuple: on the way of every kernel its _replace() takes a third of the time that a dataclass's takes.
    """

    parts: frozenset[Part]
    stage: Stage = Stage.REQUESTED
    refusal: Failed | None = None
    status: int = 0
    is_asked: bool = False
    is_out_of_memory: bool = False
    is_told: bool = False
    """Whether the gateway knows of the end of its process."""

    def __repr__(self) -> str:
        """Its stage, its parts, and the known facts of its end."""
        parts = ", ".join(part for part in Part if part in self.parts) or "nothing left"
        notes = [
            *([f"refused at {self.refusal.step}: {self.refusal.reason}"] if self.refusal else ()),
            *([f"status {self.status}"] if self.status else ()),
            *(["kill asked"] if self.is_asked else ()),
            *(["out of memory"] if self.is_out_of_memory else ()),
        ]
        return f"<Life {self.stage}: {'; '.join([parts, *notes])}>"


Actions = tuple[Action, ...]
Step = tuple[Life, Actions]
ENDED_EARLY: Final = Failed("confinement", "the child exited early")
_NEVER_STARTED: Final = Failed("start", "the kernel exited before it was started")
_WITH_CHILD: Final = frozenset((Stage.CONFINING, Stage.ATTESTING, Stage.RELEASING))
_WAY_UP: Final = _WITH_CHILD | {Stage.REQUESTED, Stage.FORKING, Stage.STALLED}
_CHILD: Final = frozenset((Part.PROCESS, Part.ZOMBIE))
_LIVING: Final = _CHILD | {Part.INIT, Part.HELPERS, Part.GUESTS}
_RUNS: Final = frozenset((Stage.RUNNING, Stage.HOSTING))
_HOLDS: Final = frozenset((Stage.HOSTING, Stage.HELD))
_KILLED: Final = (Part.GUESTS, Part.HELPERS, Part.INIT, Part.PROCESS)
_TO_START: Final = (Part.REQUEST, Part.GATE)


def step(life: Life, event: Event) -> Step:
    """The life after *event*, and the actions to perform. Never raises: an impossible event changes nothing."""
    if isinstance(event, Fact):
        return _on_fact(life, event)
    match event:
        case MainForked(pid, pidfd) if life.stage is Stage.FORKING:
            return life._replace(stage=Stage.CONFINING, parts=life.parts | {Part.PROCESS}), (Adopt(pid, pidfd),)
        case MainForked(pid, pidfd):
            return life, (Drop(pid, pidfd),)
        case MainReaped(status) if life.stage in _HOLDS and not life.parts.isdisjoint(_CHILD):
            return _outlive(life._replace(parts=life.parts - _CHILD, status=status))
        case MainReaped(status) if not life.parts.isdisjoint(_CHILD):
            return _end(life._replace(parts=life.parts - _CHILD, status=status), ENDED_EARLY, Remove(Part.PROCESS))
        case Failed() if life.stage in _WAY_UP:
            return _end(life, event)
        case NoZygote(reason) if life.stage is Stage.STALLED:
            return _end(life, Failed("zygote", reason))
        case Exceeded(is_memory) if life.stage is not Stage.GONE:
            life, first = _without(life._replace(is_out_of_memory=life.is_out_of_memory or is_memory), Part.WATCH)
            return _end(life, _NEVER_STARTED, *first)
        case FilesAsked() | GuestCame() | SignalAsked():
            return _on_visit(life, event)
    return life, ()


def _on_visit(life: Life, event: FilesAsked | GuestCame | SignalAsked) -> Step:
    """The rows about what comes to a kernel from outside while it runs or is held."""
    match event:
        case FilesAsked(channel) if life.stage in _RUNS | _HOLDS:
            return life._replace(parts=life.parts | {Part.HELPERS}), (ServeFiles(channel),)
        case FilesAsked(channel):
            return life, (RefuseFiles(channel),)
        case GuestCame(guest_id) if life.stage in _HOLDS:
            return life._replace(parts=life.parts | {Part.GUESTS}), (Admit(guest_id),)
        case GuestCame(guest_id):
            return life, (TurnAway(guest_id),)
        case SignalAsked(number) if life.stage in _RUNS:
            return life, (SendSignal(number),)
    return life, ()


def _on_fact(life: Life, fact: Fact) -> Step:
    """The rows of the table whose events have no parameters."""
    match fact:
        case Fact.BEGUN if life.stage is Stage.REQUESTED:
            return life._replace(stage=Stage.FORKING, parts=life.parts | {Part.GATE}), (Do.ASK_FORK,)
        case Fact.CONFINED if life.stage is Stage.CONFINING:
            return life._replace(stage=Stage.ATTESTING), (Do.ATTEST,)
        case Fact.ATTESTED if life.stage is Stage.ATTESTING:
            return life._replace(stage=Stage.RELEASING), (Do.SEND_GO,)
        case Fact.RELEASED if life.stage is Stage.RELEASING:
            life, closing = _without(life, *_TO_START)
            running = life._replace(stage=Stage.RUNNING, parts=life.parts | {Part.WATCH})
            return running, (*closing, Do.WATCH, Do.TELL_STARTED)
        case Fact.GATE_CLOSED if life.stage in _WITH_CHILD:
            return _end(life, ENDED_EARLY)
        case Fact.INTERRUPT_ASKED if life.stage in _RUNS:
            return life, (Do.INTERRUPT,)
        case Fact.HOLD_ASKED | Fact.NOT_HELD | Fact.KILL_ASKED | Fact.END_ASKED:
            return _on_wish(life, fact)
        case Fact.PROCESS_DIED if Part.PROCESS in life.parts and life.stage is Stage.HOSTING:
            return life._replace(stage=Stage.HELD, parts=life.parts - {Part.PROCESS} | {Part.ZOMBIE}), (Do.REAP,)
        case Fact.PROCESS_DIED if Part.PROCESS in life.parts:
            return _ending(life, ENDED_EARLY, life.parts - {Part.PROCESS} | {Part.ZOMBIE}), (Do.REAP,)
        case Fact.INIT_DIED if Part.INIT in life.parts:
            return _end(life._replace(parts=life.parts - {Part.INIT}), _NEVER_STARTED, Remove(Part.INIT))
        case Fact.HELPERS_GONE if Part.HELPERS in life.parts:
            return _finish(life._replace(parts=life.parts - {Part.HELPERS}), ())
        case Fact.GUESTS_GONE if Part.GUESTS in life.parts:
            return _finish(life._replace(parts=life.parts - {Part.GUESTS}), ())
        case Fact.ZYGOTE_GONE if life.stage is Stage.FORKING:
            life, closing = _without(life, Part.GATE)
            return life._replace(stage=Stage.STALLED), closing
        case Fact.ZYGOTE_GONE if Part.ZOMBIE in life.parts:
            return life, (Do.REAP,)
        case Fact.NEXT_ZYGOTE if life.stage is Stage.STALLED:
            return life._replace(stage=Stage.FORKING, parts=life.parts | {Part.GATE}), (Do.ASK_FORK,)
    return life, ()


def _on_wish(life: Life, fact: Fact) -> Step:
    """The rows about holding a kernel and ending it."""
    match fact:
        case Fact.HOLD_ASKED if life.stage is Stage.RUNNING and Part.SEAT not in life.parts:
            return life._replace(stage=Stage.HOSTING, parts=life.parts | {Part.PLACE}), (Do.HOLD,)
        case Fact.HOLD_ASKED if Part.PLACE not in life.parts:
            return life, (Do.TELL_PLACE_GONE,)
        case Fact.NOT_HELD if life.stage is Stage.HOSTING:
            return _end(life, _NEVER_STARTED)
        case Fact.KILL_ASKED if life.stage is Stage.HOSTING:
            return life._replace(is_asked=True), (KillPart(Part.PROCESS),)
        case Fact.KILL_ASKED if life.stage not in (Stage.HELD, Stage.GONE):
            return _end(life._replace(is_asked=True), _NEVER_STARTED)
        case Fact.END_ASKED if life.stage is not Stage.GONE:
            return _end(life._replace(is_asked=True), _NEVER_STARTED)
    return life, ()


def _outlive(life: Life) -> Step:
    """The process of a held kernel was reaped: that is told, and its place stays."""
    tell = TellExited(life.status, life.is_asked, life.is_out_of_memory)
    return life._replace(stage=Stage.HELD, is_told=True), (Remove(Part.PROCESS), tell)


def _end(life: Life, reason: Failed, *first: Action) -> Step:
    """Kill all processes and close what was only needed to start; repeated at each death, because code may fork."""
    kills = [KillPart(part) for part in _KILLED if part in life.parts]
    if Part.WORK_DIR in life.parts:
        # Above level L1 the end of the pid namespace is the end of all its processes.
        kills.append(KillPart(Part.GROUP))
    left, closing = _without(life, *_TO_START)
    return _finish(_ending(left, reason, left.parts), (*first, *kills, *closing))


def _ending(life: Life, reason: Failed, parts: frozenset[Part]) -> Life:
    """Begin the end; *reason* is the refusal if user code never ran and there is no earlier reason."""
    refusal = reason if life.stage in _WAY_UP else life.refusal
    return life._replace(stage=Stage.ENDING, refusal=refusal, parts=parts)


def _finish(life: Life, before: Actions) -> Step:
    """After the last process: remove all parts and report. The gateway need not wait for the control group."""
    if life.stage is not Stage.ENDING or not life.parts.isdisjoint(_LIVING):
        return life, before
    tells = _reports(life)
    life, first = _without(life, Part.PLACE, Part.WATCH, Part.WORK_DIR)
    life, last = _without(life, Part.GROUP, Part.UID, Part.SEAT)
    return life._replace(stage=Stage.GONE), (*before, *first, *tells, *last)


def _reports(life: Life) -> Actions:
    """What the gateway is told at the end: how the process ended, unless it knows, and that a held place is gone."""
    place: Actions = (Do.TELL_PLACE_GONE,) if Part.PLACE in life.parts else ()
    if life.is_told:
        return place
    if life.refusal:
        return TellRefused(life.refusal.step, life.refusal.reason), *place
    return TellExited(life.status, life.is_asked, life.is_out_of_memory), *place


def _without(life: Life, *parts: Part) -> tuple[Life, tuple[Remove, ...]]:
    """The life without *parts*, and the actions that remove them."""
    found = [part for part in parts if part in life.parts]
    return life._replace(parts=life.parts.difference(found)), tuple([Remove(part) for part in found])

"""A kernel's life in the spawner: every row of its table, and what holds whatever happens in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.spawner import life as module
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
from kernels.spawner.life import ENDED_EARLY, Life, Stage, step

NAMESPACED = frozenset({Part.REQUEST, Part.UID, Part.GROUP, Part.INIT})
ON_HOST = frozenset({Part.REQUEST, Part.UID, Part.GROUP, Part.WORK_DIR})
SEATED = frozenset({Part.REQUEST, Part.SEAT})
NEVER_STARTED = ("start", "the kernel exited before it was started")
CLOSE = (Remove(Part.REQUEST), Remove(Part.GATE))
KILL = (KillPart(Part.INIT), KillPart(Part.PROCESS))
FREE = (Remove(Part.GROUP), Remove(Part.UID))
FORKED, DIED, KILLED = MainForked(7, 70), MainReaped(9), Fact.KILL_ASKED
HOLD, END, GUEST = Fact.HOLD_ASKED, Fact.END_ASKED, GuestCame("guest")
UP: tuple[Event, ...] = (Fact.BEGUN, FORKED, Fact.CONFINED, Fact.ATTESTED, Fact.RELEASED)
HOSTING: tuple[Event, ...] = (*UP, HOLD)
HELD: tuple[Event, ...] = (*HOSTING, Fact.PROCESS_DIED, DIED)
EVENTS: tuple[Event, ...] = (
    *(*Fact, FORKED, DIED, Failed("s", "r"), NoZygote("r"), Exceeded(True), FilesAsked(5)),
    *(GUEST, SignalAsked(15)),
)


def walk(parts: frozenset[Part], *events: Event) -> tuple[Life, list[Action]]:
    """The life after *events*, and all that was to be done."""
    life = Life(parts)
    done: list[Action] = []
    for event in events:
        life, actions = step(life, event)
        done += actions
    return life, done


AT: dict[Stage, tuple[Event, ...]] = {
    Stage.REQUESTED: (),
    Stage.FORKING: UP[:1],
    Stage.STALLED: (Fact.BEGUN, Fact.ZYGOTE_GONE),
    Stage.CONFINING: UP[:2],
    Stage.ATTESTING: UP[:3],
    Stage.RELEASING: UP[:4],
    Stage.RUNNING: UP,
    Stage.HOSTING: HOSTING,
    Stage.HELD: HELD,
    Stage.ENDING: (*UP, KILLED),
    Stage.GONE: (*UP, KILLED, DIED, Fact.INIT_DIED),
}
"""The shortest way to each stage."""
ROWS: list[tuple[tuple[Event, ...], Event, Stage, tuple[Action, ...]]] = [
    # The way up.
    (AT[Stage.REQUESTED], Fact.BEGUN, Stage.FORKING, (Do.ASK_FORK,)),
    (AT[Stage.FORKING], FORKED, Stage.CONFINING, (Adopt(7, 70),)),
    (AT[Stage.CONFINING], Fact.CONFINED, Stage.ATTESTING, (Do.ATTEST,)),
    (AT[Stage.ATTESTING], Fact.ATTESTED, Stage.RELEASING, (Do.SEND_GO,)),
    (AT[Stage.RELEASING], Fact.RELEASED, Stage.RUNNING, (*CLOSE, Do.WATCH, Do.TELL_STARTED)),
    # The zygote dies before the fork.
    (AT[Stage.FORKING], Fact.ZYGOTE_GONE, Stage.STALLED, (Remove(Part.GATE),)),
    (AT[Stage.STALLED], Fact.NEXT_ZYGOTE, Stage.FORKING, (Do.ASK_FORK,)),
    (AT[Stage.STALLED], NoZygote("r"), Stage.ENDING, (KillPart(Part.INIT), Remove(Part.REQUEST))),
    # A fork that nobody waits for.
    *[(AT[stage], FORKED, stage, (Drop(7, 70),)) for stage in Stage if stage is not Stage.FORKING],
    # A step fails.
    (AT[Stage.REQUESTED], Failed("s", "r"), Stage.ENDING, (KillPart(Part.INIT), Remove(Part.REQUEST))),
    (AT[Stage.FORKING], Failed("s", "r"), Stage.ENDING, (KillPart(Part.INIT), *CLOSE)),
    (AT[Stage.STALLED], Failed("s", "r"), Stage.ENDING, (KillPart(Part.INIT), Remove(Part.REQUEST))),
    (AT[Stage.CONFINING], Failed("s", "r"), Stage.ENDING, (*KILL, *CLOSE)),
    (AT[Stage.CONFINING], Fact.GATE_CLOSED, Stage.ENDING, (*KILL, *CLOSE)),
    (AT[Stage.ATTESTING], Failed("s", "r"), Stage.ENDING, (*KILL, *CLOSE)),
    (AT[Stage.RELEASING], Failed("s", "r"), Stage.ENDING, (*KILL, *CLOSE)),
    # While it runs.
    (AT[Stage.RUNNING], Fact.INTERRUPT_ASKED, Stage.RUNNING, (Do.INTERRUPT,)),
    (AT[Stage.RUNNING], FilesAsked(5), Stage.RUNNING, (ServeFiles(5),)),
    *[
        (AT[stage], FilesAsked(5), stage, (RefuseFiles(5),))
        for stage in Stage
        if stage not in (Stage.RUNNING, Stage.HOSTING, Stage.HELD)
    ],
    (AT[Stage.RUNNING], SignalAsked(15), Stage.RUNNING, (SendSignal(15),)),
    # A place that is held, and who joins it.
    (AT[Stage.RUNNING], HOLD, Stage.HOSTING, (Do.HOLD,)),
    *[
        (AT[stage], HOLD, stage, (Do.TELL_PLACE_GONE,))
        for stage in Stage
        if stage not in (Stage.RUNNING, Stage.HOSTING, Stage.HELD)
    ],
    (HOSTING, Fact.NOT_HELD, Stage.ENDING, KILL),
    (HOSTING, GUEST, Stage.HOSTING, (Admit("guest"),)),
    (HELD, GUEST, Stage.HELD, (Admit("guest"),)),
    *[(AT[stage], GUEST, stage, (TurnAway("guest"),)) for stage in Stage if stage not in (Stage.HOSTING, Stage.HELD)],
    (HOSTING, FilesAsked(5), Stage.HOSTING, (ServeFiles(5),)),
    (HELD, FilesAsked(5), Stage.HELD, (ServeFiles(5),)),
    (HOSTING, KILLED, Stage.HOSTING, (KillPart(Part.PROCESS),)),
    (HOSTING, Fact.PROCESS_DIED, Stage.HELD, (Do.REAP,)),
    (HOSTING, DIED, Stage.HELD, (Remove(Part.PROCESS), TellExited(9, False, False))),
    ((*HOSTING, KILLED, Fact.PROCESS_DIED), DIED, Stage.HELD, (Remove(Part.PROCESS), TellExited(9, True, False))),
    ((*HOSTING, Fact.PROCESS_DIED), Fact.ZYGOTE_GONE, Stage.HELD, (Do.REAP,)),
    ((*HELD, GUEST), Fact.GUESTS_GONE, Stage.HELD, ()),
    (HOSTING, END, Stage.ENDING, KILL),
    ((*HOSTING, GUEST), END, Stage.ENDING, (KillPart(Part.GUESTS), *KILL)),
    ((*HELD, GUEST), END, Stage.ENDING, (KillPart(Part.GUESTS), KillPart(Part.INIT))),
    (HELD, Exceeded(True), Stage.ENDING, (Remove(Part.WATCH), KillPart(Part.INIT))),
    (
        (*HELD, END),
        Fact.INIT_DIED,
        Stage.GONE,
        (Remove(Part.INIT), Remove(Part.PLACE), Remove(Part.WATCH), Do.TELL_PLACE_GONE, *FREE),
    ),
    (
        (*HOSTING, GUEST, END, DIED, Fact.INIT_DIED),
        Fact.GUESTS_GONE,
        Stage.GONE,
        (Remove(Part.PLACE), Remove(Part.WATCH), TellExited(9, True, False), Do.TELL_PLACE_GONE, *FREE),
    ),
    ((*UP, FilesAsked(5)), Fact.HELPERS_GONE, Stage.RUNNING, ()),
    # The way down.
    (AT[Stage.REQUESTED], KILLED, Stage.ENDING, (KillPart(Part.INIT), Remove(Part.REQUEST))),
    (AT[Stage.FORKING], KILLED, Stage.ENDING, (KillPart(Part.INIT), *CLOSE)),
    (AT[Stage.STALLED], KILLED, Stage.ENDING, (KillPart(Part.INIT), Remove(Part.REQUEST))),
    (AT[Stage.CONFINING], KILLED, Stage.ENDING, (*KILL, *CLOSE)),
    (AT[Stage.RUNNING], KILLED, Stage.ENDING, KILL),
    ((*UP, FilesAsked(5)), KILLED, Stage.ENDING, (KillPart(Part.HELPERS), *KILL)),
    (AT[Stage.ENDING], KILLED, Stage.ENDING, KILL),
    (AT[Stage.RUNNING], Exceeded(True), Stage.ENDING, (Remove(Part.WATCH), *KILL)),
    (AT[Stage.CONFINING], Fact.PROCESS_DIED, Stage.ENDING, (Do.REAP,)),
    (AT[Stage.RUNNING], Fact.PROCESS_DIED, Stage.ENDING, (Do.REAP,)),
    (AT[Stage.ENDING], Fact.PROCESS_DIED, Stage.ENDING, (Do.REAP,)),
    ((*UP, Fact.PROCESS_DIED), Fact.ZYGOTE_GONE, Stage.ENDING, (Do.REAP,)),
    ((*UP, Fact.PROCESS_DIED), DIED, Stage.ENDING, (Remove(Part.PROCESS), KillPart(Part.INIT))),
    ((*UP[:2], Fact.PROCESS_DIED), DIED, Stage.ENDING, (Remove(Part.PROCESS), KillPart(Part.INIT), *CLOSE)),
    (AT[Stage.RUNNING], Fact.INIT_DIED, Stage.ENDING, (Remove(Part.INIT), KillPart(Part.PROCESS))),
    (
        (*UP, KILLED, DIED),
        Fact.INIT_DIED,
        Stage.GONE,
        (Remove(Part.INIT), Remove(Part.WATCH), TellExited(9, True, False), *FREE),
    ),
    (
        (Fact.BEGUN, KILLED),
        Fact.INIT_DIED,
        Stage.GONE,
        (Remove(Part.INIT), TellRefused(*NEVER_STARTED), *FREE),
    ),
    (
        (*UP, FilesAsked(5), KILLED, DIED, Fact.INIT_DIED),
        Fact.HELPERS_GONE,
        Stage.GONE,
        (Remove(Part.WATCH), TellExited(9, True, False), *FREE),
    ),
]


@pytest.mark.parametrize(("before", "event", "stage", "actions"), ROWS)
def test_a_transition(before: tuple[Event, ...], event: Event, stage: Stage, actions: tuple[Action, ...]) -> None:
    """One row a transition: where it leads, and what is done in which order."""
    life, done = step(walk(NAMESPACED, *before)[0], event)
    assert (life.stage, done) == (stage, actions)


def _table() -> list[tuple[str, list[str]]]:
    lines = (module.__doc__ or "").splitlines()
    rule = next(number for number, line in enumerate(lines) if line.startswith("    -----"))
    rows = [line.split() for line in lines[rule + 1 :]]
    return [(row[0], row[1 : 1 + len(Stage)]) for row in rows[: rows.index([])]]


def _named(name: str) -> Event:
    (found,) = [event for event in EVENTS if name in (getattr(event, "name", ""), type(event).__name__)]
    return found


def test_the_table_in_the_docstring_has_a_row_for_every_event() -> None:
    """A reader sees all of them at one glance."""
    assert sorted(map(repr, (_named(name) for name, _ in _table()))) == sorted(map(repr, EVENTS))


@pytest.mark.parametrize(("name", "cells"), _table())
def test_the_table_in_the_docstring_is_true(name: str, cells: list[str]) -> None:
    """Every cell is what happens to a kernel in that stage that has every part it can have there."""
    for stage, cell in zip(Stage, cells, strict=True):
        before = (*UP, FilesAsked(5), *AT[stage][len(UP) :]) if stage in (Stage.RUNNING, Stage.ENDING) else AT[stage]
        if stage in (Stage.HOSTING, Stage.HELD):
            before = (*HOSTING, FilesAsked(5), GUEST, *([Fact.PROCESS_DIED] if stage is Stage.HELD else ()))
        if name == "GUESTS_GONE" and stage is Stage.ENDING:
            before = (*HOSTING, GUEST, END)
        if name == "ZYGOTE_GONE" and stage is Stage.ENDING:
            before = (*before, Fact.PROCESS_DIED)
        was, _ = walk(NAMESPACED, *before)
        life, actions = step(was, _named(name))
        assert was.stage is stage
        match cell:
            case ".":
                assert (life, actions) == (was, ()), stage
            case "=":
                assert life.stage is stage, stage
                assert actions or life != was, stage
            case "end":
                assert life.stage in (Stage.ENDING, Stage.GONE), stage
                assert KillPart(Part.INIT) in actions or name == "INIT_DIED", stage
            case "Hosting" | "Held":
                assert life.stage is Stage[cell.upper()], stage
            case _:
                assert life.stage.startswith(cell.rstrip(".").lower()), stage


def test_a_kernel_on_the_host_is_killed_by_its_group_at_each_death() -> None:
    """Level L1: no pid namespace ends what it forked, and its work directory goes before its end is told."""
    life, done = walk(ON_HOST, *UP, Fact.PROCESS_DIED, MainReaped(0))
    assert life.stage is Stage.GONE
    assert done[done.index(Do.REAP) :] == [
        *(Do.REAP, Remove(Part.PROCESS), KillPart(Part.GROUP), Remove(Part.WATCH), Remove(Part.WORK_DIR)),
        *(TellExited(0, False, False), *FREE),
    ]


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ((*UP[:2], Failed("mounts", "EPERM"), Fact.GATE_CLOSED), TellRefused("mounts", "EPERM")),
        ((*UP[:2], Fact.GATE_CLOSED), TellRefused(ENDED_EARLY.step, ENDED_EARLY.reason)),
        ((*UP[:3], Fact.PROCESS_DIED), TellRefused(ENDED_EARLY.step, ENDED_EARLY.reason)),
        ((*UP[:3], KILLED), TellRefused(*NEVER_STARTED)),
        ((Fact.BEGUN, Fact.ZYGOTE_GONE, NoZygote("none starts")), TellRefused("zygote", "none starts")),
        ((Failed("uid", "none left"),), TellRefused("uid", "none left")),
        (UP, TellExited(9, False, False)),
        ((*UP, KILLED), TellExited(9, True, False)),
        ((*UP, Exceeded(is_memory=True)), TellExited(9, False, True)),
        ((*UP, Exceeded(is_memory=False)), TellExited(9, False, False)),
        ((*UP, Failed("s", "too late")), TellExited(9, False, False)),
    ],
)
def test_what_is_told(events: tuple[Event, ...], told: Action) -> None:
    """The first reason counts; what has run has exited."""
    _, done = walk(NAMESPACED, *events, DIED, Fact.INIT_DIED)
    assert [action for action in done if isinstance(action, TellExited | TellRefused)] == [told]


def test_a_guest_ends_alone_and_leaves_its_seat_last() -> None:
    """It has no uid, group and init of its own to remove, and nobody else's to kill; it can't be held itself."""
    life, done = walk(SEATED, *UP, HOLD, KILLED, DIED)
    assert life.stage is Stage.GONE
    assert done[done.index(Do.TELL_STARTED) + 1 :] == [
        *(Do.TELL_PLACE_GONE, KillPart(Part.PROCESS), Remove(Part.PROCESS), Remove(Part.WATCH)),
        *(TellExited(9, True, False), Remove(Part.SEAT)),
    ]


@pytest.mark.parametrize("made", [{Part.REQUEST}, {Part.REQUEST, Part.UID}, {Part.REQUEST, Part.UID, Part.GROUP}])
def test_only_what_was_made_is_removed(made: set[Part]) -> None:
    """Where a part could not be made, those before it are taken back at once."""
    life, actions = step(Life(frozenset(made)), Failed("cgroup", "EACCES"))
    assert life.stage is Stage.GONE
    assert {action.part for action in actions if isinstance(action, Remove)} == made


def test_it_says_where_it_is() -> None:
    """For whoever debugs a spawner."""
    assert repr(walk(NAMESPACED, *UP)[0]) == "<Life running: uid, control group, init, process, watch>"
    assert repr(walk(NAMESPACED, *UP, KILLED, Fact.PROCESS_DIED)[0]) == (
        "<Life ending: uid, control group, init, zombie, watch; kill asked>"
    )
    refused, _ = walk(NAMESPACED, Failed("pid namespace", "EPERM"), Fact.INIT_DIED)
    assert repr(refused) == "<Life gone: nothing left; refused at pid namespace: EPERM>"


# ---- whatever happens ------------------------------------------------------------------------------------------------

ANSWERED = (Do.ASK_FORK, Do.ATTEST, Do.SEND_GO, Do.REAP, Do.HOLD)
LAST_WORDS = (END, Fact.PROCESS_DIED, DIED, Fact.INIT_DIED, Fact.HELPERS_GONE, Fact.GUESTS_GONE)
"""After these nothing of a kernel is left, whatever was before."""
SETS = st.sampled_from(
    [NAMESPACED, ON_HOST, SEATED, NAMESPACED - {Part.UID}, *(frozenset({Part.REQUEST, p}) for p in Part if p in NAMESPACED)]
)
ANY_EVENT: st.SearchStrategy[Event] = st.one_of(
    st.sampled_from([*Fact, *UP]),
    st.sampled_from([MainForked(7, 70), Failed("s", "r"), NoZygote("r"), Exceeded(True), Exceeded(False)]),
    st.builds(MainReaped, st.sampled_from([0, 9, 256])),
    st.sampled_from([FilesAsked(5), GUEST, SignalAsked(15)]),
)


@dataclass
class Ledger:
    """Performs on paper, and fails where something is done that must not be."""

    life: Life
    there: set[Part] = field(default_factory=set)
    open: list[int] = field(default_factory=list)
    told: list[Action] = field(default_factory=list)
    is_held: bool = False
    place_gone: int = 0
    has_started: bool = False
    is_attested: bool = False
    adopted: int = -1

    def hear(self, event: Event) -> None:
        """One event, and what comes of it."""
        was_gone = self.life.stage is Stage.GONE
        was_asked = self.life.stage is Stage.ATTESTING
        self.is_attested = self.is_attested or (was_asked and event is Fact.ATTESTED)
        if isinstance(event, MainForked):
            self.open.append(event.pidfd)
        if isinstance(event, FilesAsked):
            self.open.append(event.channel)
        self.life, actions = step(self.life, event)
        if was_gone:
            allowed = all(isinstance(action, Drop | RefuseFiles | TurnAway) for action in actions)
            assert allowed or actions == (Do.TELL_PLACE_GONE,), "something is done after the end"
        for number, action in enumerate(actions):
            may_answer = action in ANSWERED or isinstance(action, Adopt | ServeFiles)
            assert not may_answer or number == len(actions) - 1, "an action after one that may be answered"
            self.perform(action)

    def perform(self, action: Action) -> None:
        """Keep the books."""
        match action:
            case Remove(part):
                self.there.remove(part)
                if part is Part.PROCESS:
                    self.open.remove(self.adopted)
            case KillPart(part):
                assert part in self.there, "what is not there is killed"
            case Adopt(_, pidfd):
                self.adopted = pidfd
                self._make(Part.PROCESS)
            case Drop(_, descriptor) | ServeFiles(descriptor) | RefuseFiles(descriptor):
                self.open.remove(descriptor)
            case Do.ASK_FORK:
                self._make(Part.GATE)
            case Do.WATCH:
                self._make(Part.WATCH)
            case Do.HOLD:
                assert Part.SEAT not in self.there, "a guest is held"
                self._make(Part.PLACE)
                self.is_held = True
            case Admit():
                assert Part.PLACE in self.there, "a guest is let into a place that is not held"
            case Do.TELL_PLACE_GONE:
                assert (Part.PLACE not in self.there and self.there <= {Part.GROUP, Part.UID}) or not self.is_held
                self.place_gone += self.is_held
            case Do.SEND_GO:
                assert self.is_attested, "go without an attestation"
            case Do.TELL_STARTED:
                assert self.is_attested and not self.has_started and not self.told
                self.has_started = True
            case Do.REAP:
                assert Part.PROCESS in self.there, "nothing is there to reap"
            case TellExited() | TellRefused():
                assert isinstance(action, TellExited) == self.has_started, "Exited is for what has started"
                self.told.append(action)

    def _make(self, part: Part) -> None:
        assert part not in self.there, f"{part} is made while there is one"
        self.there.add(part)


@given(SETS, st.lists(ANY_EVENT, max_size=30))
def test_whatever_happens_in_whatever_order(made: frozenset[Part], events: list[Event]) -> None:
    """One report, one removal of each part, each descriptor closed once, nothing after the end, no go unattested."""
    books = Ledger(Life(made), set(made))
    for event in events:
        books.hear(event)
        is_over = books.life.stage is Stage.GONE
        assert len(books.told) == is_over or books.is_held, "told once, at the end and not before"
    for event in (*LAST_WORDS, *EVENTS):
        books.hear(event)
    assert books.life.stage is Stage.GONE
    assert len(books.told) == 1
    assert bool(books.place_gone) == books.is_held, "the end of a held place is told, and of no other"
    assert not books.there, "something is left"
    assert not books.open, "a descriptor is left"


@given(SETS, st.data())
def test_to_ask_for_the_end_is_enough(made: frozenset[Part], data: st.DataObject) -> None:
    """From there on nothing else has to happen than the deaths that it brings, one after another in any order."""
    books = Ledger(Life(made), set(made))
    for event in data.draw(st.lists(ANY_EVENT, max_size=12)):
        books.hear(event)
    books.hear(END)
    while deaths := [event for part, event in DEATHS.items() if part in books.life.parts]:
        books.hear(data.draw(st.sampled_from(deaths)))
    assert books.life.stage is Stage.GONE


DEATHS: dict[Part, Event] = {
    Part.INIT: Fact.INIT_DIED,
    Part.PROCESS: Fact.PROCESS_DIED,
    Part.ZOMBIE: DIED,
    Part.HELPERS: Fact.HELPERS_GONE,
    Part.GUESTS: Fact.GUESTS_GONE,
}

"""A run from request to result: what the kernel is asked, and what is written down however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

import pytest

from gateway.core.errors import Busy, Unavailable
from gateway.core.model import ClearedText, Display, Limit, OnEvent, Raised, Result, RunSpec, ShownText, Task
from gateway.core.request import Allowance, Caller, RunRecord, RunRequest, Submission
from gateway.service.runs.runner import Runner, outcome_of
from kernels.contract import Policy
from kernels.run_rules import NO_CHART

CALLER = Caller("k1", "one")
ALLOWANCE = Allowance(1000, 2000)
OK = Result(True, "", "", "", None, 0, 0.25)


@dataclass
class World:
    """A pool of one kernel, history, meter and clock."""

    answer: Callable[[RunSpec], Result] = lambda _spec: OK
    specs: list[RunSpec] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    records: list[RunRecord] = field(default_factory=list)
    counted: list[tuple[str, ...]] = field(default_factory=list)
    returned: int = 0
    hangs: asyncio.Event | None = None

    @asynccontextmanager
    async def lease(self, language: str, policy: Policy | None = None) -> AsyncIterator[World]:
        self.languages.append(language)
        try:
            yield self
        finally:
            self.returned += 1

    async def run(self, spec: RunSpec, on_event: OnEvent | None = None) -> Result:
        self.specs.append(spec)
        if self.hangs is not None:
            self.hangs.set()
            await asyncio.Event().wait()
        return self.answer(spec)

    def record(self, run: RunRecord) -> None:
        self.records.append(run)

    def run_started(self, task: str) -> None:
        self.counted.append(("started", task))

    def run_ended(self, task: str, outcome: str, wall_s: float) -> None:
        self.counted.append(("ended", task, outcome, f"{wall_s:g}"))

    def runner(self) -> Runner:
        ticks = iter(range(100))
        return Runner(self, self, self, wall_clock=lambda: 1_000.0, clock=lambda: float(next(ticks)))  # type: ignore[arg-type]  # a pool of itself


async def test_text_is_as_a_terminal_shows_it_if_that_was_asked_for() -> None:
    """Each stream by itself, from where it was cleared last. The event loop serves others meanwhile."""
    text = "gone\n" + "a\b" * 30_000 + "1\r2\n"
    world = World(lambda _spec: Result(True, text, "gone\na\r", "b\bc", None, 0, 0.25, cleared=ClearedText(5, 5, 0)))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    for form in ("raw", "terminal"):
        result = await world.runner().run(Submission(RunRequest("python", "1", 5.0, text=form), CALLER, "r", ALLOWANCE))
        assert result.output == text
        assert result.shown == (None if form == "raw" else ShownText("2\n", "a", "c"))
    counting.cancel()
    assert turns > 10


async def test_a_run_asks_the_kernel_for_what_was_requested() -> None:
    """Code and inputs untouched, with the caller's limits."""
    world = World()
    request = RunRequest("chart", "plt.plot([1])", 5.0, {"format": "png", "dpi": 100})
    assert await world.runner().run(Submission(request, CALLER, "r1", ALLOWANCE)) == Result(
        False,
        "",
        "",
        "",
        Raised("ChartError", NO_CHART, ""),
        1,
        0.25,
    )
    assert world.specs == [RunSpec("chart", "plt.plot([1])", 5.0, 1000, 2000, {"format": "png", "dpi": 100}, False, "new")]
    assert world.languages == ["python"]


async def test_a_run_is_written_down() -> None:
    """With the time it took, whose it was and when it began."""
    world = World()
    result = await world.runner().run(Submission(RunRequest("python", "1", 5.0), CALLER, "r1", ALLOWANCE))
    assert result is OK
    assert world.records == [RunRecord("r1", "k1", 1_000.0, "python", "1", True, 0.25)]
    assert world.counted == [("started", "python"), ("ended", "python", "ok", "1")]
    assert world.returned == 1


async def test_what_has_no_code_is_written_down_by_its_title() -> None:
    """An analysis is told by its kind and size, not by its data."""
    world = World()
    request = RunRequest("analyze", "", 5.0, {"data": [1]}, "summary of 1 records")
    await world.runner().run(Submission(request, CALLER, "r1", ALLOWANCE))
    assert world.records[0].code == "summary of 1 records"


async def test_a_chart_that_was_drawn_is_a_success() -> None:
    """Any picture counts."""
    drawn = Result(True, "", "", "", None, 0, 0.1, displays=(Display("display", {"image/svg+xml": "<svg/>"}),))
    world = World(lambda _spec: drawn)
    assert await world.runner().run(Submission(RunRequest("chart", "1", 5.0), CALLER, "r1", ALLOWANCE)) is drawn


@pytest.mark.parametrize("error", [Busy("full"), Unavailable("gone")])
async def test_a_run_that_got_no_kernel_is_counted_and_not_written_down(error: Exception) -> None:
    """Nothing was run, so there is no run in the history."""

    def fail(_spec: RunSpec) -> Result:
        raise error

    world = World(fail)
    with pytest.raises(type(error)):
        await world.runner().run(Submission(RunRequest("python", "1", 5.0), CALLER, "r1", ALLOWANCE))
    assert world.records == []
    assert world.counted[-1][2] == error.code  # type: ignore[attr-defined]  # both have one


async def test_a_run_in_a_session_gets_the_sessions_kernel() -> None:
    """In its language; the kernel is told that it is in a session, and a look at variables is no run of the history."""
    world, leases = World(), []

    @asynccontextmanager
    async def lease(session_id: str, caller: Caller, **asked: object) -> AsyncIterator[World]:
        leases.append((session_id, caller.key_id, asked))
        yield world

    world.lease = lease  # type: ignore[assignment]  # of sessions here
    world.look = lease  # type: ignore[attr-defined]  # the same
    runner = Runner(World(), world, world, world)  # type: ignore[arg-type]  # pool, history, meter, sessions
    await runner.run(Submission(RunRequest("math", "x", 0.0, session="s1"), CALLER, "r1", ALLOWANCE))
    await runner.run(Submission(RunRequest("variables", "", 5.0, session="s1"), CALLER, "r2", ALLOWANCE))
    assert leases == [("s1", "k1", {"language": "python"}), ("s1", "k1", {"patience_s": 5.0})]
    assert world.specs == [
        RunSpec("math", "x", 0.0, 1000, 2000, {"session": True}, False),
        RunSpec("variables", "", 5.0, 1000, 2000, {"session": True}, False),
    ]
    assert [record.task for record in world.records] == ["math"]


async def test_a_fault_is_counted_and_the_kernel_comes_back() -> None:
    """Whatever goes wrong, nothing is leaked."""

    def fail(_spec: RunSpec) -> Result:
        raise ValueError

    world = World(fail)
    with pytest.raises(ValueError):
        await world.runner().run(Submission(RunRequest("python", "1", 5.0), CALLER, "r1", ALLOWANCE))
    assert world.returned == 1
    assert world.counted[-1][2] == "internal"


async def test_a_cancelled_run_is_written_down_and_the_kernel_comes_back() -> None:
    """Its code did run."""
    world = World(hangs=asyncio.Event())
    assert world.hangs is not None
    running = asyncio.create_task(world.runner().run(Submission(RunRequest("python", "1", 5.0), CALLER, "r1", ALLOWANCE)))
    await world.hangs.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert world.returned == 1
    assert world.counted[-1][2] == "cancelled"
    assert (world.records[0].success, world.records[0].code) == (False, "1")


@pytest.mark.parametrize(
    ("result", "word"),
    [
        (OK, "ok"),
        (Result(False, "", "", "", Raised("E", "m", ""), 1, 0.0), "error"),
        (Result(False, "", "", "", None, 3, 0.0), "error"),
        (Result(False, "", "", "", None, 1, 0.0, limit=Limit.MEMORY), "memory"),
    ],
)
def test_each_end_has_a_word(result: Result, word: str) -> None:
    """A few words, so that counting them stays cheap."""
    assert outcome_of(result) == word


async def test_code_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Only how long it is."""
    await World().runner().run(Submission(RunRequest("python", "hidden_name = 1", 5.0), CALLER, "r1", ALLOWANCE))
    said = "".join(capsys.readouterr())
    assert "r1" in said
    assert "hidden_name" not in said


async def test_a_guard_turns_a_run_away_before_anything_is_written_down() -> None:
    """Nothing was run and nothing is counted; a guard entered before is left again."""
    world, left = World(), []

    @contextmanager
    def second(caller: Caller) -> Iterator[None]:
        raise Busy("full")
        yield  # type: ignore[unreachable]  # it makes a generator of this

    @contextmanager
    def passing(caller: Caller) -> Iterator[None]:
        try:
            yield
        finally:
            left.append(caller.key_id)

    runner = Runner(world, world, world, guards=(passing, second))  # type: ignore[arg-type]  # a pool of itself
    with pytest.raises(Busy):
        await runner.run(Submission(RunRequest("python", "1", 5.0), CALLER, "r1", ALLOWANCE))
    assert (left, world.counted, world.records, world.languages) == (["k1"], [], [], [])
    runner = Runner(world, world, world, guards=(passing, passing))  # type: ignore[arg-type]  # a pool of itself
    assert await runner.run(Submission(RunRequest("python", "1", 5.0), CALLER, "r1", ALLOWANCE)) is OK
    assert left == ["k1", "k1", "k1"]


@pytest.mark.parametrize(
    ("task", "code", "result", "gave_nothing"),
    [
        ("javascript", "1 + 2", OK, True),
        ("javascript", "return null", OK, False),
        ("javascript", "1 + 2", replace(OK, output="3\n"), False),
        ("javascript", "1 + 2", replace(OK, return_value=3), False),
        ("javascript", "display(1)", replace(OK, displays=(Display("display", {"text/plain": "1"}),)), False),
        ("javascript", "throw 1", replace(OK, success=False), False),
        ("python", "1 + 2", OK, False),
    ],
)
async def test_javascript_that_ran_for_nothing_is_known(task: Task, code: str, result: Result, gave_nothing: bool) -> None:
    """By all that it gave: who follows the run gets its end without that."""
    world = World(answer=lambda _spec: result)
    ended = await world.runner().run(Submission(RunRequest(task, code, 5.0), CALLER, "r1", ALLOWANCE))
    assert ended.gave_nothing is gave_nothing

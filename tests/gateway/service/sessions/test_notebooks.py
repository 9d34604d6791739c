"""Notebooks made of sessions, and notebooks run: in order, up to the first error, within the limits of the whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import nbformat
import pytest

from gateway.core.errors import Conflict, TooManyRequests
from gateway.core.model import Display, Event, Limit, OnEvent, Raised, Result, Text
from gateway.core.notebook import Notebook, NotebookCell, to_json
from gateway.core.request import Allowance, Caller, Control, RunRequest, Submission
from gateway.service.sessions.notebooks import CellDone, CellStarted, Executed, NotebookRequest, Notebooks, Progress
from gateway.service.sessions.table import Cell, NewSession, SessionView

CALLER = Caller("k1", "test")
ROOM = Allowance(10_000, 100_000)
FAILED = Raised("ValueError", "no", "Traceback\nValueError: no\n")
Answer = Callable[[RunRequest, OnEvent], Result]


def done(**changes: Any) -> Result:
    """A run that ended well, but for *changes*."""
    values: dict[str, Any] = {"success": True, "output": "", "stdout": "", "stderr": "", "error": None, "exit_code": 0}
    return Result(**{**values, "wall_s": 0.1, **changes})


def obey(request: RunRequest, on_event: OnEvent) -> Result:
    """Does what the code says: fail, lose, or print itself."""
    if request.code == "fail":
        on_event(FAILED)
        return done(success=False, error=FAILED, exit_code=1, execution_count=1)
    if request.code == "lose":
        return done(success=False, error=Raised("KernelDied", "gone", ""), limit=Limit.DIED, kernel_replaced=True)
    if request.code == "late":
        return done(success=False, error=Raised("TimeoutError", "late", ""), limit=Limit.TIMEOUT)
    on_event(Text("stdout", request.code))
    return done(execution_count=1)


@dataclass
class World:
    """Sessions and runs as a Notebooks sees them, and a clock that each run moves on."""

    answer: Answer = obey
    run_s: float = 0.0
    now: float = 100.0
    cells: Sequence[Cell] = ()
    asked: list[tuple[RunRequest, Allowance]] = field(default_factory=list)
    created: list[NewSession] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    async def create(self, asked: NewSession, caller: Caller) -> SessionView:
        self.created.append(asked)
        return self.show("s1", caller)

    async def delete(self, session_id: str, caller: Caller) -> None:
        self.deleted.append(session_id)

    def show(self, session_id: str, caller: Caller) -> SessionView:
        return SessionView(session_id, "", "python", "idle", 0.0, 0.0, 60.0, 30.0, 0, 0, "", None)

    def transcript(self, session_id: str, caller: Caller) -> Sequence[Cell]:
        return self.cells

    async def run(self, submission: Submission, on_event: OnEvent | None = None, control: Control | None = None) -> Result:
        self.asked.append((submission.request, submission.allowance))
        await asyncio.sleep(0)
        self.now += self.run_s
        assert on_event is not None
        return self.answer(submission.request, on_event)

    def notebooks(self) -> Notebooks:
        return Notebooks(self, self, total_s=60.0, room=ROOM, clock=lambda: self.now)

    async def execute(
        self, *cells: NotebookCell, allows_errors: bool = False, **more: Any
    ) -> tuple[Executed, list[Progress]]:
        progress: list[Progress] = []
        asked = NotebookRequest(Notebook(cells, {"title": "mine"}), "python", 10.0, allows_errors, **more)
        executed = await self.notebooks().execute(asked, CALLER, "r1", ROOM, progress.append)
        nbformat.validate(nbformat.from_dict(to_json(executed.notebook)))
        return executed, progress

    @property
    def ran(self) -> list[str]:
        return [request.code for request, _ in self.asked]


def code(source: str, *tags: str, **changes: Any) -> NotebookCell:
    return NotebookCell(
        "code", changes.pop("cell_id", f"c-{source}"), source, {"tags": list(tags)} if tags else {}, **changes
    )


async def test_code_cells_run_in_order_in_a_session_that_ends_with_them() -> None:
    """Text is left alone, empty cells and those to skip are not run, and each event comes between start and end."""
    world = World()
    title = NotebookCell("markdown", "t", "# Title")
    executed, progress = await world.execute(
        title, code("a"), code(" ", cell_id="e"), code("s", "skip-execution"), code("b")
    )
    assert world.ran == ["a", "b"]
    assert {request.session for request, _ in world.asked} == {"s1"}
    assert (world.created[0].language, world.deleted) == ("python", ["s1"])
    assert executed.notebook.cells[0] == title
    assert [cell.execution_count for cell in executed.notebook.cells] == [None, 1, None, None, 1]
    assert executed.notebook.cells[4].outputs == [{"output_type": "stream", "name": "stdout", "text": "b"}]
    assert executed.notebook.metadata["title"] == "mine"
    assert executed.notebook.metadata["kernelspec"] == {"name": "python3", "display_name": "Python 3", "language": "python"}
    assert (executed.error, executed.ran, executed.failed) == (None, 2, 0)
    assert [type(step) for step in progress] == [CellStarted, Text, CellDone] * 2


async def test_it_stops_at_the_first_error() -> None:
    """The error stands in its cell; the cells after it are not run."""
    world = World()
    executed, _ = await world.execute(code("a"), code("fail"), code("b"))
    assert world.ran == ["a", "fail"]
    assert (executed.error, executed.stopped_at, executed.ran, executed.failed) == (FAILED, 1, 2, 1)
    assert executed.notebook.cells[1].outputs[0]["ename"] == "ValueError"
    assert executed.notebook.cells[2].outputs == ()
    assert world.deleted == ["s1"]


@pytest.mark.parametrize("is_tagged", [True, False])
async def test_errors_that_are_expected_do_not_stop_it(is_tagged: bool) -> None:
    """By the cell's tag raises-exception, or for all cells."""
    cell = code("fail", *(["raises-exception"] if is_tagged else []))
    executed, _ = await World().execute(cell, code("b"), allows_errors=not is_tagged)
    assert (executed.error, executed.ran, executed.failed) == (None, 2, 1)


async def test_a_lost_kernel_stops_it_even_where_errors_are_allowed() -> None:
    """The cells after it would miss what the ones before had made."""
    world = World()
    executed, _ = await world.execute(code("lose"), code("b"), allows_errors=True)
    assert world.ran == ["lose"]
    assert (executed.limit, executed.stopped_at) == (Limit.DIED, 0)


async def test_an_existing_session_stays() -> None:
    """No other one is made for it, and it has to be of the notebook's language."""
    world = World()
    await world.execute(code("a"), code("b"), session="mine")
    assert {request.session for request, _ in world.asked} == {"mine"}
    assert (world.created, world.deleted) == ([], [])
    other = NotebookRequest(Notebook((code("a"),), {}), "javascript", 10.0, session="mine")
    with pytest.raises(Conflict, match="The session is a python session: a notebook in javascript can't run in it"):
        await world.notebooks().execute(other, CALLER, "r1", ROOM, lambda _: None)
    assert world.ran == ["a", "b"]


async def test_files_come_with_the_first_cell() -> None:
    """And with no other one, which may have changed them."""
    world = World()
    await world.execute(code(" ", cell_id="e"), code("a"), code("b"), files=((b"f", b"1"),))
    assert [request.given.files for request, _ in world.asked] == [((b"f", b"1"),), ()]


@pytest.mark.parametrize(("files", "ran"), [(((b"f", b"1"),), 1), ((), 2)])
async def test_a_notebook_without_its_files_stops(files: tuple[tuple[bytes, bytes], ...], ran: int) -> None:
    """Even where errors are allowed; the same error of the notebook's own code is one like others."""
    failed = Raised("FilesError", "full", "")
    world = World(lambda _request, _on_event: done(success=False, error=failed, exit_code=1, execution_count=1))
    executed, _ = await world.execute(code("a"), code("b"), allows_errors=True, files=files)
    assert executed.ran == ran
    assert executed.error == (failed if files else None)


async def test_the_whole_has_a_time_of_its_own() -> None:
    """Each cell gets its timeout or what is left of the whole, and nothing begins after that."""
    world = World(run_s=25.0)
    executed, _ = await world.execute(*(code(f"{number}") for number in range(5)))
    assert [request.timeout_s for request, _ in world.asked] == [10.0, 10.0, 10.0]
    assert (executed.stopped_at, executed.limit) == (3, Limit.TIMEOUT)
    world = World(run_s=27.0)
    executed, _ = await world.execute(code("1"), code("2"), code("late"), code("3"), allows_errors=True)
    assert world.asked[2][0].timeout_s == 6.0
    assert (executed.stopped_at, executed.limit) == (2, Limit.TIMEOUT)
    assert executed.error is not None
    assert executed.error.message == "The time limit of the whole notebook was exceeded"


async def test_the_whole_may_show_so_much_and_no_more() -> None:
    """Each cell may show what one run may, but never more than is left."""

    def show(request: RunRequest, on_event: OnEvent) -> Result:
        on_event(Display("display", {"text/plain": "x" * 45_000}))
        return done(execution_count=1)

    world = World(show)
    executed, _ = await world.execute(*(code(f"{number}") for number in range(5)))
    assert [allowance.output_bytes for _, allowance in world.asked][:2] == [10_000, 10_000]
    assert next(allowance.rich_bytes for _, allowance in world.asked) == 100_000
    assert all(
        allowance.rich_bytes <= left for (_, allowance), left in zip(world.asked, (100_000, 65_000, 20_000), strict=True)
    )
    assert (executed.stopped_at, executed.limit) == (3, Limit.OUTPUT)


async def test_the_session_ends_also_when_a_cell_can_not_be_run() -> None:
    """Nothing is left behind; the caller hears why."""

    def refuse(request: RunRequest, on_event: OnEvent) -> Result:
        raise TooManyRequests("too many")

    world = World(refuse)
    with pytest.raises(TooManyRequests):
        await world.execute(code("a"))
    assert world.deleted == ["s1"]


async def test_the_session_ends_when_the_caller_goes_away() -> None:
    """Which cancels the execution in the middle of a cell."""
    world, begun = World(), asyncio.Event()

    def wait(request: RunRequest, on_event: OnEvent) -> Result:
        begun.set()
        raise asyncio.CancelledError

    world.answer = wait
    with pytest.raises(asyncio.CancelledError):
        await world.execute(code("a"))
    assert begun.is_set()
    assert world.deleted == ["s1"]


def test_a_session_is_a_notebook_with_its_outputs() -> None:
    """Each run a cell; what the transcript lost is said."""
    earlier: list[Event] = [Text("stderr", "3 earlier runs are left out\n")]
    world = World(
        cells=[
            Cell("", tuple(earlier), 0, is_cut=True),
            Cell("1 + 1", (Display("result", {"text/plain": "2"}),), 4),
            Cell("exit()", (Text("stdout", "bye"), Raised("SystemExit", "0", "")), 5),
            Cell("", (Text("stdout", "mean 2"),), 6, "analyze"),
            Cell("x", (Raised("NameError", "x", "..."),), 7),
        ]
    )
    written: Any = to_json(world.notebooks().export("s1", CALLER))
    nbformat.validate(nbformat.from_dict(written))
    first, second, third, fourth, fifth = written["cells"]
    assert (first["source"], first["metadata"]) == ("", {"omega": {"truncated": True}})
    assert [output["text"] for output in first["outputs"]] == ["3 earlier runs are left out\n"]
    assert (second["execution_count"], second["outputs"][0]["execution_count"], second["metadata"]) == (4, 4, {})
    assert [output["output_type"] for output in third["outputs"]] == ["stream"]
    assert fourth["source"].startswith("# A run of the task 'analyze'")
    assert fifth["outputs"][0]["ename"] == "NameError"
    assert written["metadata"]["language_info"]["name"] == "python"

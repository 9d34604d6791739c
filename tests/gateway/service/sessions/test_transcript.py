"""What is remembered of a session, and that it has an end."""

from __future__ import annotations

from gateway.core.model import Display, Event, Finished, KernelReport, Raised, Result, Text
from gateway.service.sessions.transcript import MAX_CELLS, Cell, Transcript, cell_bytes

OK = Result(True, "", "", "", None, 0, 0.0)


def run(transcript: Transcript, code: str, *events: Event, result: Result | None = OK) -> None:
    """One run of *code* with these events."""
    recording = transcript.begin("python", code, 1)
    for event in events:
        recording.add(event)
    transcript.add(recording.finish(result))


def test_runs_are_kept_with_their_events() -> None:
    """In order; what only the gateway needs is left out."""
    transcript = Transcript(10_000)
    shown = Display("result", {"text/plain": "2"})
    run(transcript, "1 + 1", Text("stdout", "a"), shown, KernelReport(), Finished("ok"))
    run(transcript, "x", Raised("NameError", "x", "tb"), result=None)
    assert transcript.cells() == (
        Cell("1 + 1", (Text("stdout", "a"), shown, Finished("ok")), 1),
        Cell("x", (Raised("NameError", "x", "tb"),), 1),
    )


def test_the_error_is_the_one_the_caller_was_shown() -> None:
    """A run over its time was interrupted, and says that its time was over."""
    error = Raised("TimeoutError", "Execution timeout exceeded", "")
    transcript = Transcript(10_000)
    run(
        transcript,
        "x",
        Text("stdout", "a"),
        Raised("KeyboardInterrupt", "", "tb"),
        result=Result(False, "", "", "", error, 124, 1.0),
    )
    assert transcript.cells()[0].events == (Text("stdout", "a"), error)


def test_one_run_can_not_fill_it() -> None:
    """What is over half of the room is left out, and the cell says so."""
    transcript = Transcript(10_000)
    run(transcript, "x", Text("stdout", "a" * 3000), Text("stdout", "b" * 3000), Text("stdout", "c"))
    (cell,) = transcript.cells()
    assert cell.is_cut
    assert cell.events == (Text("stdout", "a" * 3000),)


def test_the_oldest_lose_their_output_first() -> None:
    """The code is what the state came from."""
    transcript = Transcript(10_000)
    for number in range(5):
        run(transcript, f"x = {number}", Text("stdout", "a" * 3000))
    cells = transcript.cells()
    assert [cell.code for cell in cells] == [f"x = {number}" for number in range(5)]
    assert [(cell.is_cut, bool(cell.events)) for cell in cells] == [(True, False)] * 2 + [(False, True)] * 3
    assert sum(map(cell_bytes, cells)) <= 10_000


def test_then_whole_runs_are_left_out() -> None:
    """The first cell says how many."""
    transcript = Transcript(10_000)
    for number in range(4):
        run(transcript, f"# {number}" + "x" * 4000)
    marker, *kept = transcript.cells()
    assert (marker.code, marker.is_cut, marker.events) == ("", True, (Text("stderr", "2 earlier runs are left out\n"),))
    assert [cell.code[:3] for cell in kept] == ["# 2", "# 3"]


def test_runs_without_code_or_output_have_an_end_too() -> None:
    """Their number is bounded."""
    transcript = Transcript(10_000_000)
    for _ in range(MAX_CELLS + 1):
        run(transcript, "")
    assert len(transcript.cells()) == MAX_CELLS + 1
    assert transcript.cells()[0].events == (Text("stderr", "1 earlier run is left out\n"),)


def test_a_room_of_nothing_keeps_nothing() -> None:
    """An operator may want no code in memory."""
    transcript = Transcript(0)
    run(transcript, "secret", Text("stdout", "a"))
    assert [cell.code for cell in transcript.cells()] == [""]

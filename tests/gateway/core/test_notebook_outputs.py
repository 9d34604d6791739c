"""What runs report becomes the outputs that Jupyter's own clients would have kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.host_tools import HostCall
from gateway.core.model import Cleared, Display, Event, Finished, Json, KernelReport, Raised, Text
from gateway.core.notebook import Notebook, NotebookCell, metadata_for, to_file_json, to_json
from gateway.core.notebook_outputs import LEFT_OUT, CellOutputs

PNG = {"image/png": "iVBORw0KGgo=\n", "text/plain": "<Figure>"}


def outputs(*cells: Sequence[Event], limit_bytes: int = 1_000_000, error: Raised | None = None) -> list[list[Any]]:
    """The outputs of cells that reported these events; *error* is how the last of them ended."""
    kept = CellOutputs(limit_bytes)
    for number, events in enumerate(cells, 1):
        kept.start()
        for event in events:
            kept.add(event)
        kept.end(error if number == len(cells) else None, number)
    rendered = kept.render()
    check_valid(
        [NotebookCell("code", f"c{n}", "x", outputs=one[0], execution_count=one[1]) for n, one in enumerate(rendered)]
    )
    return [list(one[0]) for one in rendered]


def check_valid(cells: list[NotebookCell]) -> None:
    """Jupyter's own library has nothing to say against a notebook of *cells*, in either form, and reads both alike."""
    notebook = Notebook(cells, metadata_for("python"))
    for written in (to_json(notebook), to_file_json(notebook)):
        nbformat.validate(nbformat.from_dict(written))
    split = nbformat.v4.to_notebook(to_file_json(notebook))
    assert nbformat.v4.rwbase.rejoin_lines(split) == nbformat.from_dict(to_json(notebook))


def shown(data: dict[str, Any], display_id: str = "", *, updates: bool = False) -> Display:
    return Display("display", data, {}, display_id, updates=updates)


def text_of(output: Any) -> Any:
    return output["text"] if "text" in output else output["data"]["text/plain"]


def test_pieces_of_a_stream_are_joined_in_the_order_of_everything() -> None:
    """Two writes make one output; what came between them keeps its place."""
    (found,) = outputs([Text("stdout", "a"), Text("stdout", "b\n"), Text("stderr", "!"), shown(PNG), Text("stdout", "c")])
    assert found == [
        {"output_type": "stream", "name": "stdout", "text": "ab\n"},
        {"output_type": "stream", "name": "stderr", "text": "!"},
        {"output_type": "display_data", "data": PNG, "metadata": {}},
        {"output_type": "stream", "name": "stdout", "text": "c"},
    ]


def test_the_value_of_the_last_expression_has_its_number() -> None:
    """As Out[2] in a notebook."""
    value = Display("result", {"text/plain": "42"}, {"x": 1})
    _, (found,) = outputs([], [HostCall("a", "f", {}), value, KernelReport(execution_count=2), Finished("ok")])
    assert found == {
        "output_type": "execute_result",
        "execution_count": 2,
        "data": {"text/plain": "42"},
        "metadata": {"x": 1},
    }


def test_an_error_has_its_traceback_in_lines() -> None:
    """Name and message apart."""
    raised = Raised("ValueError", "no", 'Traceback:\n  File "<code>", line 1\nValueError: no\n')
    ((found,),) = outputs([raised], error=raised)
    assert found == {
        "output_type": "error",
        "ename": "ValueError",
        "evalue": "no",
        "traceback": ["Traceback:", '  File "<code>", line 1', "ValueError: no"],
    }


def test_what_ended_the_run_stands_in_place_of_what_its_code_raised() -> None:
    """Out of time, the code raised KeyboardInterrupt; the notebook says TimeoutError, once, also when nothing was raised."""
    late = Raised("TimeoutError", "Execution timeout exceeded", "")
    for events in ([Raised("KeyboardInterrupt", "", "...")], []):
        ((found,),) = outputs(events, error=late)
        assert (found["ename"], found["traceback"]) == ("TimeoutError", ["TimeoutError: Execution timeout exceeded"])


def test_an_exit_without_failure_leaves_no_error() -> None:
    """exit() is how some scripts end; a traceback shown by code that went on is kept."""
    assert outputs([Text("stdout", "a"), Raised("SystemExit", "0", "")]) == [
        [{"output_type": "stream", "name": "stdout", "text": "a"}]
    ]
    assert [one["ename"] for one in outputs([Raised("ValueError", "shown", "")])[0]] == ["ValueError"]


def test_an_update_changes_every_display_of_that_name_in_all_cells() -> None:
    """A progress bar made in one cell is moved by another."""
    one, two, three = outputs(
        [shown({"text/plain": "0 %"}, "bar"), shown({"text/plain": "other"}, "b")],
        [shown({"text/plain": "50 %"}, "bar")],
        [shown({"text/plain": "100 %"}, "bar", updates=True)],
    )
    assert [text_of(output) for output in one] == ["100 %", "other"]
    assert [text_of(output) for output in two] == ["100 %"]
    assert three == []


def test_an_update_of_something_never_shown_is_shown() -> None:
    """It would be lost otherwise."""
    assert [text_of(output) for output in outputs([shown({"text/plain": "late"}, "x", updates=True)])[0]] == ["late"]


def test_clear_output_clears_its_own_cell_at_once_or_with_the_next_output() -> None:
    """With wait, what is there stays until something takes its place."""
    before: list[Event] = [Text("stdout", "old"), shown(PNG, "x")]
    assert outputs([Text("stdout", "kept")], [*before, Cleared(wait=False)])[0] != []
    assert outputs([*before, Cleared(wait=False)]) == [[]]
    assert len(outputs([*before, Cleared(wait=True)])[0]) == 2
    for after in (Text("stdout", "new"), shown({"text/plain": "new"}), Raised("E", "new", "new")):
        (found,) = outputs([*before, Cleared(wait=True), after])
        assert len(found) == 1
    assert [text_of(one) for one in outputs([*before, Cleared(wait=False), shown({"text/plain": "again"}, "x")])[0]] == [
        "again"
    ]


def test_json_is_a_value_where_the_format_has_one_and_text_elsewhere() -> None:
    """nbformat takes JSON for application/json and application/...+json only."""
    plot = {"data": [{"y": [1, 2]}]}
    ((found,),) = outputs([shown({"application/vnd.plotly.v1+json": plot, "image/x+json": [1], "application/json": None})])
    assert found["data"] == {"application/vnd.plotly.v1+json": plot, "image/x+json": "[1]", "application/json": None}


def test_a_result_is_shown_as_people_read_it() -> None:
    """Kernels add JSON to results for programs; what code shows as JSON itself stays."""
    both: dict[str, Json] = {"text/plain": "[1]", "application/json": [1]}
    own = Display("result", both, {"application/json": {"root": "root"}})
    (found,) = outputs([Display("result", both), own, shown(both)])
    assert [one["data"] for one in found] == [{"text/plain": "[1]"}, both, both]


def test_what_is_over_the_limit_is_replaced_by_a_line_that_says_so() -> None:
    """A small thing shown a thousand times and then updated to a large one is not a way around it."""
    one, two = outputs(
        [shown({"text/plain": "x"}, "x") for _ in range(1000)],
        [shown({"text/plain": "y" * 100_000}, "x", updates=True), Text("stdout", "small")],
        limit_bytes=250_000,
    )
    assert [len(text_of(output)) for output in one] == [100_000, 100_000, len(LEFT_OUT)]
    assert [text_of(output) for output in two] == ["small"]


def test_a_cell_whose_run_lost_something_says_so() -> None:
    """The kernel's word that something was cut reaches the reader."""
    kept = CellOutputs(1000)
    kept.start()
    kept.add(Text("stdout", "begin"))
    kept.end(None, 1, is_cut=True)
    ((found, count, is_cut),) = kept.render()
    assert [text_of(output) for output in found] == ["begin", LEFT_OUT]
    assert (count, is_cut) == (1, True)


names = st.sampled_from(["", "a", "b"])
bundles = st.dictionaries(
    st.sampled_from(["text/plain", "text/html", "image/png", "image/svg+xml", "application/json"]), st.text(), max_size=2
)
events = st.lists(
    st.builds(Text, st.sampled_from(["stdout", "stderr"]), st.text())
    | st.builds(Display, st.sampled_from(["display", "result"]), bundles, st.just({}), names, updates=st.booleans())
    | st.builds(Cleared, st.booleans())
    | st.builds(Raised, st.text(min_size=1), st.text(), st.text())
)


@given(st.lists(events, max_size=4), st.integers(0, 2000))
def test_whatever_is_reported_makes_a_valid_notebook(cells: list[list[Event]], limit_bytes: int) -> None:
    """Jupyter's library opens it, and writing lines apart loses nothing."""
    outputs(*cells, limit_bytes=limit_bytes)


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_a_notebook_without_cells_is_valid(language: Any) -> None:
    """The session in which nothing was run yet."""
    nbformat.validate(nbformat.from_dict(to_json(Notebook([], metadata_for(language)))))


def test_what_is_shown_in_two_cells_is_cleared_in_one() -> None:
    """An update still reaches the other."""
    one, two, _ = outputs(
        [shown({"text/plain": "0 %"}, "bar")],
        [shown({"text/plain": "1 %"}, "bar"), Cleared(wait=False)],
        [shown({"text/plain": "2 %"}, "bar", updates=True)],
    )
    assert ([text_of(output) for output in one], two) == (["2 %"], [])

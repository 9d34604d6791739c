"""Notebooks as nbformat 4.5 has them."""

from __future__ import annotations

import nbformat
import pytest

from gateway.core.notebook import Notebook, NotebookCell, NotebookLanguage, metadata_for, to_file_json, to_json

STREAM = {"output_type": "stream", "name": "stdout", "text": "a\nb"}
SHOWN = {
    "output_type": "display_data",
    "data": {"text/plain": "x\ny", "image/svg+xml": "<svg>\n</svg>", "image/png": "aGk=\n", "application/json": {"a": 1}},
    "metadata": {},
}
ERROR = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["E: v"]}
NOTEBOOK = Notebook(
    (
        NotebookCell("markdown", "one", "# Title\ntext", attachments={"a.png": {"image/png": "aGk="}}),
        NotebookCell("code", "two", "x = 1\nx", {"tags": ["t"]}, outputs=(STREAM, SHOWN, ERROR), execution_count=3),  # type: ignore[arg-type]  # literals
        NotebookCell("raw", "three", ""),
    ),
    metadata_for("python"),
)


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_what_is_written_is_valid(language: NotebookLanguage) -> None:
    """Jupyter opens it, and picks the kernel of its language."""
    written = to_json(Notebook(NOTEBOOK.cells, metadata_for(language)))
    nbformat.validate(written)
    assert written["metadata"]["language_info"]["name"] == language  # type: ignore[index,call-overload]  # an object


def test_only_code_cells_have_outputs() -> None:
    """The format has them nowhere else."""
    markdown, code, raw = to_json(NOTEBOOK)["cells"]  # type: ignore[union-attr,misc]  # a list
    assert markdown == {
        "id": "one",
        "cell_type": "markdown",
        "metadata": {},
        "source": "# Title\ntext",
        "attachments": {"a.png": {"image/png": "aGk="}},
    }
    assert (code["outputs"], code["execution_count"]) == ([STREAM, SHOWN, ERROR], 3)
    assert raw == {"id": "three", "cell_type": "raw", "metadata": {}, "source": ""}


def test_long_texts_of_a_file_stand_in_lines() -> None:
    """Joined they are the text again; JSON, pictures and tracebacks are left as they are."""
    written = to_file_json(NOTEBOOK)
    nbformat.validate(written)
    markdown, code, _ = written["cells"]  # type: ignore[union-attr,misc]  # a list
    assert markdown["source"] == ["# Title\n", "text"]
    assert code["outputs"] == [
        STREAM | {"text": ["a\n", "b"]},
        SHOWN
        | {
            "data": {
                "text/plain": ["x\n", "y"],
                "image/svg+xml": ["<svg>\n", "</svg>"],
                "image/png": "aGk=\n",
                "application/json": {"a": 1},
            }
        },
        ERROR,
    ]


@pytest.mark.parametrize(
    ("cell", "runs"),
    [
        (NotebookCell("code", "a", "1"), True),
        (NotebookCell("code", "a", " \n"), False),
        (NotebookCell("markdown", "a", "1"), False),
        (NotebookCell("code", "a", "1", {"tags": ["skip-execution"]}), False),
        (NotebookCell("code", "a", "1", {"tags": [5, "other"]}), True),
        (NotebookCell("code", "a", "1", {"tags": "skip-execution"}), True),
    ],
)
def test_code_runs_unless_its_author_skips_it(cell: NotebookCell, runs: bool) -> None:
    """By the tag that nbclient knows."""
    assert cell.is_to_run is runs

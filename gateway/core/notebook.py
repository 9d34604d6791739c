"""Notebooks of Jupyter's format 4.5 (https://nbformat.readthedocs.io): their cells, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gateway.core.model import Json

NotebookLanguage = Literal["python", "javascript"]
CellKind = Literal["code", "markdown", "raw"]
CELL_KINDS: tuple[CellKind, ...] = ("code", "markdown", "raw")

FORMAT, MINOR = 4, 5
_SPLIT_TYPES = ("application/javascript", "image/svg+xml")
_KERNELSPECS: Mapping[NotebookLanguage, dict[str, Json]] = {
    "python": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "javascript": {"name": "javascript", "display_name": "JavaScript", "language": "javascript"},
}
_LANGUAGES: Mapping[NotebookLanguage, dict[str, Json]] = {
    "python": {
        "name": "python",
        "mimetype": "text/x-python",
        "file_extension": ".py",
        "pygments_lexer": "ipython3",
        "codemirror_mode": {"name": "ipython", "version": 3},
        "nbconvert_exporter": "python",
    },
    "javascript": {
        "name": "javascript",
        "mimetype": "text/javascript",
        "file_extension": ".js",
        "pygments_lexer": "javascript",
        "codemirror_mode": "javascript",
    },
}

Output = dict[str, Json]
"""An output of a cell, as nbformat defines it: stream, display_data, execute_result or error."""


@dataclass(frozen=True, slots=True)
class NotebookCell:
    """One cell. *outputs* and *execution_count* are those of code cells; the count is None if the cell was not run."""

    kind: CellKind
    cell_id: str
    source: str
    metadata: Mapping[str, Json] = field(default_factory=dict)
    attachments: Mapping[str, Json] | None = None
    outputs: Sequence[Output] = ()
    execution_count: int | None = None

    @property
    def tags(self) -> Sequence[str]:
        """The tags of the cell."""
        tags = self.metadata.get("tags")
        return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []

    @property
    def is_to_run(self) -> bool:
        """Whether it has code and no tag that skips it."""
        return self.kind == "code" and bool(self.source.strip()) and "skip-execution" not in self.tags


@dataclass(frozen=True, slots=True)
class Notebook:
    """The cells in order, and the notebook's metadata."""

    cells: Sequence[NotebookCell]
    metadata: Mapping[str, Json]


def metadata_for(language: NotebookLanguage) -> dict[str, Json]:
    """The metadata from which Jupyter selects the kernel and the syntax highlighting."""
    return {"kernelspec": dict(_KERNELSPECS[language]), "language_info": dict(_LANGUAGES[language])}


def to_json(notebook: Notebook) -> dict[str, Json]:
    """*notebook* as JSON of nbformat 4.5."""
    return {
        "nbformat": FORMAT,
        "nbformat_minor": MINOR,
        "metadata": dict(notebook.metadata),
        "cells": [_cell_json(cell) for cell in notebook.cells],
    }


def to_file_json(notebook: Notebook) -> dict[str, Json]:
    """The same with long texts as lists of lines, as Jupyter writes files, for readable diffs."""
    return {**to_json(notebook), "cells": [_split_cell(_cell_json(cell)) for cell in notebook.cells]}


def _cell_json(cell: NotebookCell) -> dict[str, Json]:
    written: dict[str, Json] = {
        "id": cell.cell_id,
        "cell_type": cell.kind,
        "metadata": dict(cell.metadata),
        "source": cell.source,
    }
    if cell.attachments is not None:
        written["attachments"] = dict(cell.attachments)
    if cell.kind == "code":
        written |= {"outputs": [dict(output) for output in cell.outputs], "execution_count": cell.execution_count}
    return written


def _split_cell(cell: dict[str, Json]) -> dict[str, Json]:
    outputs = cell.get("outputs")
    split = {**cell, "source": _lines(cell["source"])}
    if isinstance(outputs, list):
        split["outputs"] = [_split_output(output) for output in outputs if isinstance(output, dict)]
    return split


def _split_output(output: Output) -> Output:
    data = output.get("data")
    if isinstance(data, dict):
        return {**output, "data": {kind: _lines(value) if _is_split(kind) else value for kind, value in data.items()}}
    return {**output, "text": _lines(output["text"])} if "text" in output else output


def _is_split(kind: str) -> bool:
    return kind.startswith("text/") or kind in _SPLIT_TYPES


def _lines(text: Json) -> Json:
    # Each line keeps its line end, so that the joined lines are the text again.
    return list(text.splitlines(keepends=True)) if isinstance(text, str) else text

"""Uploaded notebooks: what Jupyter wrote is read, anything else gets a sentence that names the place."""

from __future__ import annotations

import copy
from typing import Any

import nbformat
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.errors import BadRequest
from gateway.core.notebook import to_json
from gateway.core.notebook_form import MAX_CELLS, language_of, read_notebook


def notebook(*cells: Any, **changes: Any) -> Any:
    """A notebook of format 4.5 with *cells*."""
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **changes}


def code(source: Any = "print(1)", **changes: Any) -> Any:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None, **changes}


def words(source: Any = "# Title", **changes: Any) -> Any:
    return {"cell_type": "markdown", "metadata": {}, "source": source, **changes}


def refusal(value: Any) -> str:
    """The sentence *value* is refused with."""
    with pytest.raises(BadRequest) as caught:
        read_notebook(value)
    return caught.value.message


def test_a_notebook_is_read_and_written_the_same_without_its_old_outputs() -> None:
    """Texts, metadata, attachments and ids stay; what an earlier run gave does not."""
    image = {"a.png": {"image/png": "aGk="}}
    given_ = notebook(
        words(["# Title\n", "text"], id="one", attachments=image, metadata={"tags": ["intro"]}),
        code(
            ["x = 1\n", "x"],
            id="two",
            outputs=[{"output_type": "nonsense"}],
            execution_count=7,
            metadata={"own": {"a": [1]}},
        ),
        {"cell_type": "raw", "id": "three", "metadata": {"format": "text/html"}, "source": ""},
        metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}, "colab": {"x": 1}},
    )
    written: Any = to_json(read_notebook(given_))
    expected = copy.deepcopy(given_)
    expected["cells"][0]["source"] = "# Title\ntext"
    expected["cells"][1] |= {"source": "x = 1\nx", "outputs": [], "execution_count": None}
    assert written == expected
    nbformat.validate(nbformat.from_dict(written))


def test_cells_of_older_formats_get_ids_that_are_free() -> None:
    """4.5 asks for one in each cell."""
    written: Any = to_json(read_notebook(notebook(code(id="cell-1"), code(), words(), nbformat_minor=2)))
    assert [cell["id"] for cell in written["cells"]] == ["cell-1", "cell-2", "cell-3"]
    assert written["nbformat_minor"] == 5
    nbformat.validate(nbformat.from_dict(written))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "notebook must be an object, not a list."),
        ({}, "The notebook's format must be 4 (nbformat), not null: save it with a newer Jupyter."),
        (notebook(nbformat=3), "The notebook's format must be 4 (nbformat), not 3: save it with a newer Jupyter."),
        (notebook(nbformat=True), "The notebook's format must be 4 (nbformat), not true: save it with a newer Jupyter."),
        (notebook(nbformat_minor="5"), "notebook.nbformat_minor must be a whole number, not '5'."),
        (notebook(worksheets=[]), "notebook has the unknown field 'worksheets'; allowed are: cells, metadata, "),
        (notebook(cells={}), "notebook.cells must be a list."),
        (notebook(*[code()] * (MAX_CELLS + 1)), "The notebook has 1001 cells; at most 1000 are allowed."),
        (notebook(metadata=[]), "notebook.metadata must be an object, not a list."),
        (notebook(metadata={"kernelspec": {"name": "x"}}), "notebook.metadata.kernelspec.display_name is missing."),
        (notebook(metadata={"language_info": {"name": 3}}), "notebook.metadata.language_info.name must be text, not 3."),
        (notebook(metadata={"authors": {}}), "notebook.metadata.authors must be a list, not an object."),
        (notebook(7), "notebook.cells[0] must be an object, not 7."),
        (
            notebook({"cell_type": "heading"}),
            "notebook.cells[0].cell_type must be 'code', 'markdown' or 'raw', not 'heading'.",
        ),
        (notebook(code(), words(outputs=[])), "notebook.cells[1] has the unknown field 'outputs'; allowed are: "),
        (notebook(code(None)), "notebook.cells[0].source must be text or a list of lines, not null."),
        (notebook(code(["a", 1])), "notebook.cells[0].source must be text or a list of lines, not a list."),
        (notebook(code("a\0b")), "notebook.cells[0].source has a NUL character at position 1."),
        (notebook(code(id="a b")), "notebook.cells[0].id must be 1 to 64 letters, digits, '-' or '_', not 'a b'."),
        (notebook(code(id="a"), words(id="a")), "Two cells of the notebook have the id 'a'."),
        (notebook(code(metadata={"tags": ["a,b"]})), "notebook.cells[0].metadata.tags must be a list of different texts "),
        (
            notebook(code(metadata={"scrolled": 1})),
            "notebook.cells[0].metadata.scrolled must be true, false or 'auto', not 1.",
        ),
        (
            notebook(code(metadata={"execution": {"a": 1}})),
            "notebook.cells[0].metadata.execution must be an object of texts",
        ),
        (notebook(code(metadata={"collapsed": 1})), "notebook.cells[0].metadata.collapsed must be true or false, not 1."),
        (notebook(metadata={"orig_nbformat": 2.5}), "notebook.metadata.orig_nbformat must be a whole number above 0, "),
        (notebook(words(attachments={"a": {"image/png": 1}})), "notebook.cells[0].attachments['a'] must hold text for "),
    ],
)
def test_what_is_no_notebook_is_refused_with_the_place(value: Any, said: str) -> None:
    """Before anything runs."""
    assert refusal(value).startswith(said)


values: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers(-1, 3) | st.text(max_size=3) | st.just(["a"]) | st.just({"a": "b"}) | st.just([])
)
metadata = st.dictionaries(
    st.sampled_from(
        [
            "name",
            "tags",
            "jupyter",
            "collapsed",
            "scrolled",
            "execution",
            "format",
            "title",
            "authors",
            "orig_nbformat",
            "own",
        ]
    ),
    values,
    max_size=2,
)
spec = st.dictionaries(st.sampled_from(["name", "display_name", "codemirror_mode", "mimetype"]), values, max_size=3)
cells = st.builds(
    lambda kind, rest, more: {"cell_type": kind, **rest, **more},
    st.sampled_from(["code", "markdown", "raw"]),
    st.fixed_dictionaries({"metadata": metadata, "source": st.text(max_size=4) | st.just(["a\n", "b"])}),
    st.dictionaries(st.sampled_from(["id", "attachments"]), values, max_size=1),
)
notebooks = st.builds(
    lambda listed, own, kernelspec, language: notebook(
        *listed, metadata={**own, "kernelspec": kernelspec, "language_info": language}
    ),
    st.lists(cells, max_size=2),
    metadata,
    st.just({"name": "python3", "display_name": "P"}) | spec,
    st.just({"name": "python"}) | spec,
)


@given(notebooks)
@example(notebook(code(metadata={"tags": "a"})))
@example(notebook(code(metadata={"name": "a"})))
@example(notebook(metadata={"orig_nbformat": 2}))
@example(notebook(metadata={"orig_nbformat": 4.0}))
@example({**notebook(), "nbformat": 4.0, "nbformat_minor": 5.0})
def test_what_passes_is_valid_to_jupyters_own_library(value: Any) -> None:
    """The reader here may be stricter than the format, never laxer."""
    try:
        read = read_notebook(value)
    except BadRequest:
        return
    nbformat.validate(nbformat.from_dict(to_json(read)))


@pytest.mark.parametrize(
    ("told", "language"),
    [
        ({}, "python"),
        ({"kernelspec": {"name": "conda-env-x", "display_name": "X", "language": "python"}}, "python"),
        ({"kernelspec": {"name": "python3", "display_name": "Python 3"}}, "python"),
        ({"language_info": {"name": "javascript"}}, "javascript"),
        ({"kernelspec": {"name": "my-env", "display_name": "X"}, "language_info": {"name": "python"}}, "python"),
        ({"kernelspec": {"name": "javascript", "display_name": "JavaScript", "language": "javascript"}}, "javascript"),
    ],
)
def test_the_language_is_the_one_the_metadata_names(told: Any, language: str) -> None:
    """Whatever the author's kernel was called."""
    assert language_of(read_notebook(notebook(metadata=told))) == language


def test_another_language_is_refused() -> None:
    """There is no kernel for it."""
    with pytest.raises(BadRequest, match="language is 'julia'; allowed are python and javascript"):
        language_of(
            read_notebook(notebook(metadata={"kernelspec": {"name": "julia-1.9", "display_name": "J", "language": "julia"}}))
        )

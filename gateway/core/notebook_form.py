"""Reads uploaded notebooks as hostile input and returns valid notebooks of format 4.5.

It does not use the nbformat library, which would add half of the gateway's memory (decision 16); the tests compare
this reader with that library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeGuard

from gateway.core.errors import BadRequest
from gateway.core.model import Json
from gateway.core.notebook import CELL_KINDS, FORMAT, CellKind, Notebook, NotebookCell, NotebookLanguage

MAX_CELLS = 1000
_SHOWN_CHARS = 40
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LINE = re.compile(r"[^\n]+")
_TAG = re.compile(r"[^,\n]+")
_JSON_TYPE = re.compile(r"application/(.*\+)?json")
_ROOT = {"nbformat", "nbformat_minor", "metadata", "cells"}
_CELL = {"id", "cell_type", "metadata", "source"}
_FIELDS: Mapping[CellKind, set[str]] = {
    "code": _CELL | {"outputs", "execution_count"},
    "markdown": _CELL | {"attachments"},
    "raw": _CELL | {"attachments"},
}
_NAMES: Mapping[str, NotebookLanguage] = {
    **dict.fromkeys(("python", "python3", "ipython", "ipython3"), "python"),
    **dict.fromkeys(("javascript", "js", "node", "nodejs", "ijavascript"), "javascript"),
}
LANGUAGES = tuple(_NAMES)
"""The lower-case names of the supported languages."""

_Rule = tuple[str, Callable[[Json], bool]]


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_object(value: Json) -> bool:
    return isinstance(value, dict)


def _is_flag(value: Json) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Json) -> TypeGuard[int | float]:
    """Whether *value* is a whole number; 4.0 is 4 in JSON."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Json) -> bool:
    return _is_whole(value) and value >= 1


def _is_line(value: Json) -> bool:
    return isinstance(value, str) and bool(_LINE.fullmatch(value))


def _are_tags(value: Json) -> bool:
    if not isinstance(value, list):
        return False
    texts = [tag for tag in value if isinstance(tag, str) and _TAG.fullmatch(tag)]
    return len(set(texts)) == len(value)


def _are_texts(value: Json) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_lines(value: Json) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(line, str) for line in value))


_TEXT: _Rule = ("text", _is_text)
_OBJECT: _Rule = ("an object", _is_object)
_FLAG: _Rule = ("true or false", _is_flag)
_NOTEBOOK_RULES: Mapping[str, _Rule] = {
    "kernelspec": _OBJECT,
    "language_info": _OBJECT,
    "orig_nbformat": ("a whole number above 0", _is_number),
    "title": _TEXT,
    "authors": ("a list", lambda value: isinstance(value, list)),
}
_KERNELSPEC_RULES: Mapping[str, _Rule] = {"name": _TEXT, "display_name": _TEXT}
_LANGUAGE_RULES: Mapping[str, _Rule] = {
    "name": _TEXT,
    "codemirror_mode": ("text or an object", lambda value: isinstance(value, str | dict)),
    "file_extension": _TEXT,
    "mimetype": _TEXT,
    "pygments_lexer": _TEXT,
}
_CELL_RULES: Mapping[str, _Rule] = {
    "name": ("one line of text", _is_line),
    "tags": ("a list of different texts without commas", _are_tags),
    "jupyter": _OBJECT,
}
_CODE_RULES: Mapping[str, _Rule] = {
    **_CELL_RULES,
    "collapsed": _FLAG,
    "scrolled": ("true, false or 'auto'", lambda value: isinstance(value, bool) or value == "auto"),
    "execution": ("an object of texts", _are_texts),
}
_RAW_RULES: Mapping[str, _Rule] = {**_CELL_RULES, "format": _TEXT}
_RULES: Mapping[CellKind, Mapping[str, _Rule]] = {"code": _CODE_RULES, "markdown": _CELL_RULES, "raw": _RAW_RULES}


def read_notebook(value: Json) -> Notebook:
    """The notebook in the JSON *value*, without its outputs. Raises BadRequest, naming the place.

    Cells of format 4.0 to 4.4, which have no ids, get new ones.
    """
    root = _object(value, "notebook")
    _check_format(root)
    _check_fields(root, _ROOT, "notebook")
    metadata = _object(root.get("metadata", {}), "notebook.metadata")
    _check_metadata(metadata)
    cells = root.get("cells")
    if not isinstance(cells, list):
        raise BadRequest("notebook.cells must be a list.")
    if len(cells) > MAX_CELLS:
        raise BadRequest(f"The notebook has {len(cells)} cells; at most {MAX_CELLS} are allowed.")
    read = [_read_cell(cell, f"notebook.cells[{index}]") for index, cell in enumerate(cells)]
    return Notebook(_with_ids(read), _with_whole_numbers(metadata))


def _with_whole_numbers(metadata: Mapping[str, Json]) -> dict[str, Json]:
    """The notebook's *metadata* with 4 for 4.0: to nbformat they are not the same."""
    return {
        name: int(value) if name == "orig_nbformat" and isinstance(value, float) else value
        for name, value in metadata.items()
    }


def language_of(notebook: Notebook) -> NotebookLanguage:
    """The language in its metadata, Python by default; raises BadRequest for an unsupported language."""
    told = [
        _field(notebook.metadata.get("language_info"), "name"),
        _field(notebook.metadata.get("kernelspec"), "language"),
        _field(notebook.metadata.get("kernelspec"), "name"),
    ]
    named = [name for name in told if name]
    known = next((_NAMES[name.lower()] for name in named if name.lower() in _NAMES), None)
    if known is None and named:
        raise BadRequest(f"The notebook's language is {_show(named[0])}; allowed are python and javascript.")
    return known or "python"


def _field(value: Json, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _check_format(root: Mapping[str, Json]) -> None:
    major, minor = root.get("nbformat"), root.get("nbformat_minor")
    if not _is_whole(major) or major != FORMAT:
        raise BadRequest(
            f"The notebook's format must be {FORMAT} (nbformat), not {_show(major)}: save it with a newer Jupyter."
        )
    if not _is_whole(minor) or minor < 0:
        raise BadRequest(f"notebook.nbformat_minor must be a whole number, not {_show(minor)}.")


def _check_metadata(metadata: Mapping[str, Json]) -> None:
    _check(metadata, _NOTEBOOK_RULES, "notebook.metadata")
    for name, rules, needed in (
        ("kernelspec", _KERNELSPEC_RULES, ("name", "display_name")),
        ("language_info", _LANGUAGE_RULES, ("name",)),
    ):
        part = metadata.get(name)
        if isinstance(part, dict):
            _check(part, rules, f"notebook.metadata.{name}", needed)


def _read_cell(value: Json, place: str) -> NotebookCell:
    cell = _object(value, place)
    told = cell.get("cell_type")
    kind = next((kind for kind in CELL_KINDS if kind == told), None)
    if kind is None:
        raise BadRequest(f"{place}.cell_type must be 'code', 'markdown' or 'raw', not {_show(told)}.")
    _check_fields(cell, _FIELDS[kind], place)
    metadata = _object(cell.get("metadata", {}), f"{place}.metadata")
    _check(metadata, _RULES[kind], f"{place}.metadata")
    source = _source(cell.get("source"), place)
    if kind == "code" and "\0" in source:
        raise BadRequest(f"{place}.source has a NUL character at position {source.find(chr(0))}.")
    return NotebookCell(kind, _id(cell.get("id"), place), source, metadata, _attachments(cell, place))


def _source(value: Json, place: str) -> str:
    lines = value if isinstance(value, list) else [value]
    texts = [line for line in lines if isinstance(line, str)]
    if len(texts) < len(lines):
        raise BadRequest(f"{place}.source must be text or a list of lines, not {_show(value)}.")
    return "".join(texts)


def _id(value: Json, place: str) -> str:
    """The cell's id, empty when it has none."""
    if value is None:
        return ""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise BadRequest(f"{place}.id must be 1 to 64 letters, digits, '-' or '_', not {_show(value)}.")
    return value


def _attachments(cell: Mapping[str, Json], place: str) -> Mapping[str, Json] | None:
    if "attachments" not in cell:
        return None
    found = _object(cell["attachments"], f"{place}.attachments")
    for name, bundle in found.items():
        inside = _object(bundle, f"{place}.attachments[{_show(name)}]")
        if not all(_JSON_TYPE.fullmatch(kind) or _is_lines(item) for kind, item in inside.items()):
            raise BadRequest(f"{place}.attachments[{_show(name)}] must hold text for each MIME type.")
    return found


def _with_ids(cells: Iterable[NotebookCell]) -> list[NotebookCell]:
    """*cells*, each with an id; raises BadRequest if two have the same id."""
    given: set[str] = set()
    listed = list(cells)
    for cell in listed:
        if cell.cell_id in given:
            raise BadRequest(f"Two cells of the notebook have the id {_show(cell.cell_id)}.")
        if cell.cell_id:
            given.add(cell.cell_id)
    free = (name for number in range(1, 2 * MAX_CELLS + 1) if (name := f"cell-{number}") not in given)
    return [cell if cell.cell_id else _named(cell, next(free)) for cell in listed]


def _named(cell: NotebookCell, cell_id: str) -> NotebookCell:
    return NotebookCell(cell.kind, cell_id, cell.source, cell.metadata, cell.attachments)


def _object(value: Json, place: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise BadRequest(f"{place} must be an object, not {_show(value)}.")
    return value


def _check_fields(value: Mapping[str, Json], allowed: set[str], place: str) -> None:
    for name in value:
        if name not in allowed:
            raise BadRequest(f"{place} has the unknown field {_show(name)}; allowed are: {', '.join(sorted(allowed))}.")


def _check(value: Mapping[str, Json], rules: Mapping[str, _Rule], place: str, needed: Iterable[str] = ()) -> None:
    for name in needed:
        if name not in value:
            raise BadRequest(f"{place}.{name} is missing.")
    for name, (wanted, holds) in rules.items():
        if name in value and not holds(value[name]):
            raise BadRequest(f"{place}.{name} must be {wanted}, not {_show(value[name])}.")


def _show(value: Json) -> str:
    """*value* shortened for a message; containers by their type."""
    match value:
        case None | bool():
            return "null" if value is None else str(value).lower()
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return repr(value if len(value) <= _SHOWN_CHARS else value[:_SHOWN_CHARS] + "…")
        case _:
            return str(value)[:_SHOWN_CHARS]

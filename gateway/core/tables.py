"""A part of a table, as a kernel tells it: hostile until it is looked at here. Pure, and never raises on any JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard, cast

from gateway.core.errors import BadRequest, Conflict, GatewayError, NotFound
from gateway.core.model import Json

MAX_CELLS = 40_000
"""Twice what our own kernels tell."""
MAX_COLUMNS, MAX_LEVELS = 1_000, 100
MAX_NAME_CHARS, MAX_MESSAGE_CHARS = 2_000, 1_000
MAX_DIMENSIONS = 2
MAX_ROWS = 2**53 - 1
PARTS = ("cells", "columns", "rows")
_OBJECTS = (frozenset({"base64"}), frozenset({"preview"}))


@dataclass(frozen=True, slots=True)
class ColumnHead:
    """A column of a table; *position* is its number there, or None for one that names the rows."""

    name: str
    type: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows and columns. *matched* rows meet the conditions, of which *data* has those from *start* on.

    *labels* has for each row the values of *index*. *cut* names what there is less of than was asked for.
    """

    kind: str
    shape: tuple[int, ...]
    matched: int
    start: int
    columns: tuple[ColumnHead, ...]
    index: tuple[ColumnHead, ...]
    labels: list[Json]
    data: list[Json]
    cut: tuple[Literal["cells", "columns", "rows"], ...]


def parse_answer(value: Json) -> Page | GatewayError | None:
    """The page, or the error to tell the client, or None for what is neither."""
    if not isinstance(value, dict):
        return None
    return _refusal(value["refused"]) if "refused" in value else _page(value.get("page"))


def _refusal(said: Json) -> GatewayError | None:
    if not isinstance(said, dict) or not _is_text(said.get("message"), MAX_MESSAGE_CHARS):
        return None
    kinds: dict[Json, type[GatewayError]] = {"not_found": NotFound, "conflict": Conflict, "bad_request": BadRequest}
    code = said.get("code")
    kind = kinds.get(code) if isinstance(code, str) else None
    return None if kind is None else kind(str(said["message"]))


def _page(said: Json) -> Page | None:
    if not isinstance(said, dict) or not _is_text(said.get("type"), MAX_NAME_CHARS):
        return None
    shape, cut = said.get("shape"), said.get("cut")
    columns, index = _columns(said.get("columns"), MAX_COLUMNS), _columns(said.get("index"), MAX_LEVELS)
    if not isinstance(shape, list) or not 1 <= len(shape) <= MAX_DIMENSIONS or not all(map(_is_count, shape)):
        return None
    if not isinstance(cut, list) or not all(part in PARTS for part in cut) or len(cut) > len(PARTS):
        return None
    if columns is None or index is None or not _is_count(said.get("matched")) or not _is_count(said.get("start")):
        return None
    labels, data = said.get("labels"), said.get("data")
    if not _is_grid(labels, len(index)) or not _is_grid(data, len(columns)) or len(labels) != len(data):
        return None
    return Page(
        cast(str, said["type"]),
        tuple(cast(list[int], shape)),
        cast(int, said["matched"]),
        cast(int, said["start"]),
        columns,
        index,
        labels,
        data,
        tuple(cast(Sequence[Literal["cells", "columns", "rows"]], cut)),
    )


def _columns(said: Json, most: int) -> tuple[ColumnHead, ...] | None:
    if not isinstance(said, list) or len(said) > most:
        return None
    columns = [_column(each) for each in said]
    return tuple(column for column in columns if column is not None) if None not in columns else None


def _column(said: Json) -> ColumnHead | None:
    if not isinstance(said, dict):
        return None
    name, kind, position = said.get("name"), said.get("type"), said.get("position")
    if not _is_text(name, MAX_NAME_CHARS) or not _is_text(kind, MAX_NAME_CHARS):
        return None
    if position is not None and not _is_count(position):
        return None
    return ColumnHead(name, kind, position)


def _is_grid(said: Json, width: int) -> TypeGuard[list[Json]]:
    """Whether *said* is rows of *width* cells each."""
    return (
        isinstance(said, list)
        and len(said) * max(1, width) <= MAX_CELLS
        and all(isinstance(row, list) and len(row) == width and all(map(_is_cell, row)) for row in said)
    )


def _is_cell(value: Json) -> bool:
    """Whether *value* is a scalar, or an object with one text of a name that is known."""
    if isinstance(value, dict):
        return frozenset(value) in _OBJECTS and all(isinstance(part, str) for part in value.values())
    return not isinstance(value, list)


def _is_text(value: Json, most: int) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= most


def _is_count(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ROWS

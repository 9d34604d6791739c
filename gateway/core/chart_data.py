"""What a figure shows, as data: the forms that clients are promised, and what a kernel sent held against them. Pure.

The kinds line, scatter, bar, pie, box_and_whisker, superchart and unknown have the fields that E2B's clients read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

from gateway.core.model import Json

MIME = "application/vnd.omega.chart+json"
LEFT_OUT = "leftOut"
"""What a kernel sends in place of a chart that is over the limit has this field."""
SCALES: Final = (
    "linear",
    "datetime",
    "categorical",
    "log",
    "symlog",
    "logit",
    "function",
    "functionlog",
    "asinh",
    "unknown",
)

Form = Literal["text", "no_text", "number", "numbers", "texts", "places", "scale", "pairs", "triples", "ranges", "rows"]
"""What a field holds. A place is a number, a date or a name; what is not finite is null, wherever there are numbers."""
Fields = Mapping[str, Form]

_TITLED: Fields = {"title": "no_text"}
_LABELLED: Fields = {**_TITLED, **dict.fromkeys(("x_label", "y_label", "x_unit", "y_unit"), "no_text")}
_SCALED: Fields = {
    "x_ticks": "places",
    "x_tick_labels": "texts",
    "x_scale": "scale",
    "y_ticks": "places",
    "y_tick_labels": "texts",
    "y_scale": "scale",
}
_PLANAR: Fields = {**_LABELLED, **_SCALED}
_POINTS: Fields = {"label": "text", "points": "pairs"}


@dataclass(frozen=True, slots=True)
class Kind:
    """The fields of a chart of one kind, and those of each of its elements."""

    fields: Fields
    element: Fields


KINDS: Final[Mapping[str, Kind]] = {
    "line": Kind(_PLANAR, _POINTS),
    "scatter": Kind(_PLANAR, _POINTS),
    "bar": Kind(_LABELLED, {"label": "text", "group": "text", "value": "number"}),
    "pie": Kind(_TITLED, {"label": "text", "angle": "number", "radius": "number"}),
    "box_and_whisker": Kind(
        _LABELLED,
        {
            "label": "text",
            **dict.fromkeys(("min", "first_quartile", "median", "third_quartile", "max"), "number"),
            "outliers": "numbers",
        },
    ),
    "histogram": Kind(_PLANAR, {"label": "text", "edges": "places", "counts": "numbers"}),
    "heatmap": Kind(_PLANAR, {"label": "text", "x": "places", "y": "places", "values": "rows"}),
    "area": Kind(_PLANAR, {"label": "text", "points": "triples"}),
    "errorbar": Kind(_PLANAR, {**_POINTS, "x_ranges": "ranges", "y_ranges": "ranges"}),
    "violin": Kind(_LABELLED, {"label": "text", "min": "number", "max": "number", "points": "pairs"}),
    "unknown": Kind(_TITLED, {}),
}
SUPERCHART: Final = "superchart"
"""Several charts in one picture; its elements are charts of the other kinds."""


@dataclass(frozen=True, slots=True)
class ChartData:
    """The chart a kernel told of, or None; *is_left_out* says that it was over the limit."""

    chart: dict[str, Json] | None
    is_left_out: bool = False


def read(said: Json) -> ChartData:
    """What *said* tells, which is already strict JSON; a chart that is not of the promised form is none."""
    if not isinstance(said, dict):
        return ChartData(None)
    if said.get(LEFT_OUT) is True:
        return ChartData(None, is_left_out=True)
    if said.get("type") != SUPERCHART:
        return ChartData(_chart(said))
    parts = said.get("elements")
    charts = [_chart(part) for part in parts] if isinstance(parts, list) else [None]
    titled = _fields(said, _TITLED)
    if titled is None or None in charts:
        return ChartData(None)
    return ChartData({"type": SUPERCHART, **titled, "elements": [*charts]})


def _chart(said: Json) -> dict[str, Json] | None:
    if not isinstance(said, dict):
        return None
    name, parts = said.get("type"), said.get("elements")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None or not isinstance(parts, list) or (parts and not kind.element):
        return None
    fields = _fields(said, kind.fields)
    elements = [_fields(part, kind.element) for part in parts]
    if fields is None or None in elements:
        return None
    return {"type": name, **fields, "elements": [*elements]}


def _fields(said: Json, fields: Fields) -> dict[str, Json] | None:
    """The *fields* of *said* and nothing else, or None when one is missing or of another form."""
    if not isinstance(said, dict) or any(name not in said or not _CHECKS[form](said[name]) for name, form in fields.items()):
        return None
    return {name: said[name] for name in fields}


# ---- forms; lists are looked at as a whole, as a kernel decides how long they are --------------------------------------

_TEXT, _NUMBER, _NOTHING = frozenset({str}), frozenset({int, float}), frozenset({type(None)})
_NUMBER_OR_NOTHING = _NUMBER | _NOTHING
_PLACE = _NUMBER_OR_NOTHING | _TEXT


def _is(types: frozenset[type]) -> Callable[[Json], bool]:
    return lambda value: type(value) in types


def _list_of(types: frozenset[type]) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, list) and types.issuperset(map(type, value))


def _lists_of(types: frozenset[type], size: int | None = None) -> Callable[[Json], bool]:
    """Lists in a list, all as long as one another, or of *size*."""

    def is_of_form(value: Json) -> bool:
        if not isinstance(value, list) or not {list}.issuperset(map(type, value)):
            return False
        sizes = set(map(len, value))  # type: ignore[arg-type]  # they are lists
        is_even = len(sizes) <= 1 if size is None else sizes <= {size}
        return is_even and types.issuperset(map(type, chain.from_iterable(value)))  # type: ignore[arg-type]  # lists

    return is_of_form


_PAIRS = _lists_of(_PLACE, 2)
_CHECKS: Final[Mapping[Form, Callable[[Json], bool]]] = {
    "text": _is(_TEXT),
    "no_text": _is(_TEXT | _NOTHING),
    "number": _is(_NUMBER_OR_NOTHING),
    "numbers": _list_of(_NUMBER_OR_NOTHING),
    "texts": _list_of(_TEXT),
    "places": _list_of(_PLACE),
    "scale": lambda value: value in SCALES,
    "pairs": _PAIRS,
    "triples": _lists_of(_PLACE, 3),
    "ranges": lambda value: value is None or _PAIRS(value),
    "rows": _lists_of(_NUMBER_OR_NOTHING),
}

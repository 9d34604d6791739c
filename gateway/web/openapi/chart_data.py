"""The schemas of what a figure shows, made of the forms that a kernel's word is held against."""

from __future__ import annotations

from gateway.core.chart_data import KINDS, SCALES, SUPERCHART, Fields, Form, Kind
from gateway.web.openapi.schemas import NO_TEXT, TEXT, Schema, array, described, one_of, ref, struct

_NUMBER: Schema = {"type": ["number", "null"]}
_PLACE = described(
    {"type": ["number", "string", "null"]}, "a number, an ISO 8601 date or a name; null for what is not finite"
)


def _tuples(size: int) -> Schema:
    return array({"type": "array", "items": _PLACE, "minItems": size, "maxItems": size})


_FORMS: dict[Form, Schema] = {
    "text": TEXT,
    "no_text": NO_TEXT,
    "number": _NUMBER,
    "numbers": array(_NUMBER),
    "texts": array(TEXT),
    "places": array(_PLACE),
    "scale": one_of(list(SCALES)),
    "pairs": _tuples(2),
    "triples": described(_tuples(3), "x, the lower and the upper edge"),
    "ranges": described({**_tuples(2), "type": ["array", "null"]}, "the lower and the upper end for each point"),
    "rows": array(array(_NUMBER)),
}


def _fields(fields: Fields) -> dict[str, Schema]:
    return {name: _FORMS[form] for name, form in fields.items()}


def _chart(name: str, kind: Kind) -> Schema:
    elements: Schema = array(struct(_fields(kind.element))) if kind.element else {"type": "array", "maxItems": 0}
    return struct({"type": {"const": name}, **_fields(kind.fields), "elements": elements})


CHART_SCHEMAS: dict[str, Schema] = {
    "SingleChartData": {"oneOf": [_chart(name, kind) for name, kind in KINDS.items()]},
    "SuperchartData": struct(
        {"type": {"const": SUPERCHART}, "title": NO_TEXT, "elements": array(ref("SingleChartData"))},
    ),
    "ChartData": {"oneOf": [ref("SingleChartData"), ref("SuperchartData")]},
}

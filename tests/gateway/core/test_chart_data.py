"""What a kernel says a figure shows, held against the promised forms: any JSON may come."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.chart_data import KINDS, SUPERCHART, ChartData, Form, read

PLANAR: dict[str, Any] = {
    "title": "t",
    "x_label": None,
    "y_label": "y",
    "x_unit": None,
    "y_unit": None,
    "x_ticks": [1, 2.5, None],
    "x_tick_labels": ["a"],
    "x_scale": "log",
    "y_ticks": ["2024-01-01T00:00:00"],
    "y_tick_labels": [],
    "y_scale": "datetime",
}
LINE: dict[str, Any] = {"type": "line", **PLANAR, "elements": [{"label": "l", "points": [[1, None], ["a", 2.5]]}]}
EXAMPLES: dict[Form, Any] = {
    "text": "x",
    "no_text": None,
    "number": 1.5,
    "numbers": [1, None],
    "texts": ["x"],
    "places": [1, "x", None],
    "scale": "linear",
    "pairs": [[1, "x"]],
    "triples": [[1, 2, 3]],
    "ranges": None,
    "rows": [[1], [None]],
}


def example(name: str) -> dict[str, Any]:
    """A chart of the kind *name*."""
    kind = KINDS[name]
    elements = [{field: EXAMPLES[form] for field, form in kind.element.items()}] if kind.element else []
    return {"type": name, **{field: EXAMPLES[form] for field, form in kind.fields.items()}, "elements": elements}


@pytest.mark.parametrize("name", KINDS)
def test_a_chart_of_each_kind_is_taken_as_it_is(name: str) -> None:
    """Alone and as part of a superchart."""
    assert read(example(name)) == ChartData(example(name))
    many: dict[str, Any] = {"type": SUPERCHART, "title": None, "elements": [example(name), LINE]}
    assert read(copy.deepcopy(many)) == ChartData(many)


@pytest.mark.parametrize("name", KINDS)
def test_a_chart_that_lacks_a_field_is_none(name: str) -> None:
    """Clients may rely on every field; what is beyond them is not handed on."""
    whole = example(name)
    for field in whole:
        assert read({key: value for key, value in whole.items() if key != field}) == ChartData(None)
    assert read({**whole, "more": 1}) == ChartData(whole)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "donut"},
        {"type": ["line"]},
        {"title": 5},
        {"x_scale": "cubic"},
        {"x_scale": []},
        {"x_ticks": [True]},
        {"x_ticks": {"0": 1}},
        {"y_tick_labels": [None]},
        {"elements": None},
        {"elements": ["l"]},
        {"elements": [{"label": "l"}]},
        {"elements": [{"label": "l", "points": [[1, 2, 3]]}]},
        {"elements": [{"label": "l", "points": [[1, [2]]]}]},
        {"elements": [{"label": "l", "points": [1, 2]}]},
        {"elements": [{"label": None, "points": []}]},
    ],
)
def test_what_is_of_another_form_is_none(change: dict[str, Any]) -> None:
    """The picture is still there; only what a client could not read is not."""
    assert read({**LINE, **change}) == ChartData(None)


@pytest.mark.parametrize("said", [None, 1, "line", [], {}, {"leftOut": 1}, {"type": SUPERCHART}])
def test_what_is_no_chart_is_none(said: Any) -> None:
    """Whatever code displays under that type."""
    assert read(said) == ChartData(None)


def test_supercharts_are_not_within_one_another() -> None:
    """Nor are wrong charts in them."""
    inner: dict[str, Any] = {"type": SUPERCHART, "title": None, "elements": []}
    parts: list[Any] = [inner, None, {**LINE, "title": 1}]
    for part in parts:
        assert read({"type": SUPERCHART, "title": None, "elements": [LINE, part]}) == ChartData(None)


def test_a_chart_over_the_limit_says_so() -> None:
    """The kernel left it out."""
    assert read({"leftOut": True}) == ChartData(None, is_left_out=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({field for kind in KINDS.values() for field in (*kind.fields, *kind.element)} | {"type", "elements"})


@given(name=st.sampled_from(sorted(KINDS)), field=st.sampled_from(FIELDS), value=JSON)
def test_no_json_makes_reading_fail(name: str, field: str, value: Any) -> None:
    """A chart with any value at any place, in it and in its elements, is taken whole or not at all."""
    chart = example(name)
    changed = [{**chart, field: value}]
    if chart["elements"]:
        changed.append({**chart, "elements": [{**chart["elements"][0], field: value}]})
    for said in changed:
        found = read(said).chart
        assert found is None or set(found) == set(chart)
        orjson.dumps(found)

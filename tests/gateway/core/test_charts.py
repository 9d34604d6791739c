"""Which outputs are charts."""

from __future__ import annotations

import pytest

from gateway.core.chart_data import MIME
from gateway.core.charts import Numbered, base64_of, chart_type, is_chart, judge, number, without_ours, without_picture
from gateway.core.fold import Completed, fold
from gateway.core.model import Display, Event, Finished, Json, Raised, Result, Task
from kernels.run_rules import NO_CHART, SMALL_PICTURE


def ended(*events: Event) -> Result:
    """The result of a run that reported *events* and succeeded."""
    return fold([*events, Finished("ok")], Completed())


PICTURE = Display("display", {"text/plain": "<Figure>", "image/png": "aGk="})
TEXT = Display("result", {"text/plain": "1"})


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"image/png": "a", "image/svg+xml": "<svg/>"}, "image/png"),
        ({"image/jpeg": "a", "image/svg+xml": "<svg/>"}, "image/svg+xml"),
        ({"image/jpeg": "a", "image/gif": "a", "image/webp": "a"}, "image/jpeg"),
        ({"image/gif": "a", "image/webp": "a"}, "image/webp"),
        ({"image/gif": "a"}, "image/gif"),
        ({"image/png": ["a"]}, None),
        ({"text/html": "<img>"}, None),
        ({}, None),
    ],
)
def test_the_best_picture_of_a_display_is_named(data: dict[str, object], kind: str | None) -> None:
    """PNG before SVG before JPEG before WebP before GIF; what is no text is no picture."""
    display = Display("display", data)  # type: ignore[arg-type]  # a kernel may send anything
    assert chart_type(display) == kind
    assert is_chart(display) is (kind is not None)


@pytest.mark.parametrize(
    ("data", "base64"),
    [
        ({"image/png": "aGk="}, "aGk="),
        ({"image/png": "aG\r\nk =\n"}, "aGk="),
        ({"image/png": "aG\u2028k\u00e9"}, "aGk\u00e9"),
        ({"image/svg+xml": "<svg> </svg>\n"}, "PHN2Zz4gPC9zdmc+Cg=="),
        ({"image/svg+xml": "\ud800"}, "77+9"),
        ({"text/plain": "a"}, ""),
    ],
)
def test_a_picture_is_base64_without_white_space(data: dict[str, Json], base64: str) -> None:
    """Data URIs allow none; an SVG is text, whose white space stays."""
    assert base64_of(Display("display", data)) == base64


def test_a_chart_run_without_a_chart_fails() -> None:
    """It is a failure and not an empty success."""
    judged = judge("chart", ended(TEXT))
    assert (judged.success, judged.error, judged.exit_code) == (False, Raised("ChartError", NO_CHART, ""), 1)
    assert judged.displays == (TEXT,)


@pytest.mark.parametrize(
    ("task", "result"),
    [
        ("python", ended(TEXT)),
        ("chart", ended(TEXT, PICTURE)),
        ("chart", ended(TEXT, Display("display", {"application/vnd.plotly.v1+json": {"data": []}}))),
        ("chart", fold([Raised("ValueError", "no", ""), Finished("error")], Completed())),
    ],
)
def test_any_other_result_stays_as_it_is(task: Task, result: Result) -> None:
    """A chart run that drew or failed by itself, and other runs."""
    assert judge(task, result) is result


def test_what_a_picture_shows_is_no_form_of_it() -> None:
    """It stands beside the picture; what has none stays as it is."""
    data: dict[str, Json] = {"image/png": "a", MIME: {"type": "line"}, SMALL_PICTURE: {}}
    assert without_ours(data) == {"image/png": "a"}
    assert without_ours(TEXT.data) is TEXT.data


def test_each_picture_has_one_number() -> None:
    """Also one that stands at several places, as an updated display does; equal figures are two pictures."""
    equal = Display("display", dict(PICTURE.data))
    assert number([TEXT, PICTURE, equal, TEXT, PICTURE]) == Numbered((PICTURE, equal), (None, 0, 1, None, 0))
    assert number([]) == Numbered((), ())


def test_the_other_forms_of_a_picture_stay() -> None:
    """What is told by its number is left out, and nothing else."""
    data: dict[str, Json] = {"text/plain": "t", "image/svg+xml": "<svg/>", "image/png": "a", MIME: {"type": "line"}}
    assert without_picture(Display("display", data)) == {"text/plain": "t", "image/svg+xml": "<svg/>"}
    assert without_picture(TEXT) == TEXT.data

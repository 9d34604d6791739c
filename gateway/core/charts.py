"""Which outputs are charts, and the failure of a chart run that drew none."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gateway.core import chart_data
from gateway.core.model import Display, Json, Raised, Result, Task
from gateway.core.strict_json import clean_text
from kernels.run_rules import NO_CHART, SMALL_PICTURE

SVG = "image/svg+xml"
CHART_TYPES = ("image/png", SVG, "image/jpeg", "image/webp", "image/gif")

OURS = frozenset((chart_data.MIME, SMALL_PICTURE))
"""What our kernels add to a picture for programs: what it shows as data, and a smaller form of it."""
PLOTLY = "application/vnd.plotly.v1+json"

_SPACES_TEXT = " \t\n\r\v\f\x1c\x1d\x1e\x1f"
_SPACES = _SPACES_TEXT.encode()


@dataclass(frozen=True, slots=True)
class Numbered:
    """The pictures of a run, each once, and for each of its displays the number of its picture, or None."""

    pictures: tuple[Display, ...]
    numbers: tuple[int | None, ...]


def judge(task: Task, result: Result) -> Result:
    """*result*; a chart run that drew nothing becomes a failure."""
    if task != "chart" or not result.success or any(map(_is_drawn, result.displays)):
        return result
    return replace(result, success=False, error=Raised("ChartError", NO_CHART, ""), exit_code=1)


def _is_drawn(display: Display) -> bool:
    """Whether *display* shows a chart to people: a figure of plotly is one, though no picture."""
    return is_chart(display) or PLOTLY in display.data


def is_chart(display: Display) -> bool:
    """Whether *display* has a picture as text."""
    return chart_type(display) is not None


def chart_type(display: Display) -> str | None:
    """The MIME type of the best picture of *display*."""
    return next((kind for kind in CHART_TYPES if isinstance(display.data.get(kind), str)), None)


def base64_of(display: Display) -> str:
    """The best picture of *display* as base64, ready for a data URI; "" if it has none."""
    kind = chart_type(display)
    if kind is None:
        return ""
    text = str(display.data[kind])
    return base64.b64encode(clean_text(text).encode()).decode() if kind == SVG else _joined(text)


def _joined(text: str) -> str:
    """*text* without white space: IPython ends base64 with a newline and may wrap it, and data URIs allow neither."""
    if not text.isascii():
        return "".join(text.split())
    if not any(map(text.__contains__, _SPACES_TEXT)):
        return text
    return text.encode("ascii").translate(None, _SPACES).decode("ascii")


def number(displays: Iterable[Display]) -> Numbered:
    """The pictures of *displays* and their numbers, from 0. A display that stands at several places is one picture."""
    pictures: list[Display] = []
    known: dict[int, int] = {}
    numbers: list[int | None] = []
    for display in displays:
        if not is_chart(display):
            numbers.append(None)
            continue
        if id(display) not in known:
            known[id(display)] = len(pictures)
            pictures.append(display)
        numbers.append(known[id(display)])
    return Numbered(tuple(pictures), tuple(numbers))


def without_picture(display: Display) -> dict[str, Json]:
    """The forms of *display* beside its best picture and what that shows as data, which stand elsewhere."""
    picture = chart_type(display)
    return {kind: value for kind, value in without_ours(display.data).items() if kind != picture}


def without_ours(data: Mapping[str, Json]) -> Mapping[str, Json]:
    """The bundle *data* as pictures are shown to people: what our kernels add for programs stands elsewhere, or nowhere."""
    return {kind: value for kind, value in data.items() if kind not in OURS} if OURS & data.keys() else data

"""An answer has each piece of content once: measured in bytes, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.caller import Caller
from tests.live import STREAMS

pytestmark = pytest.mark.kernel
FRAME_BYTES = 4096
"""Room for all fields of an answer beside its content."""
PICTURE = """
import io
import numpy as np
from IPython.display import Image, display
from PIL import Image as Pixels
noise = np.random.default_rng(0).integers(0, 256, (164, 164, 3), np.uint8)
kept = io.BytesIO()
Pixels.fromarray(noise).save(kept, "PNG")
display(Image(data=kept.getvalue()))
del noise, kept
"""
FIGURE = """
import numpy as np
fig = plt.figure(figsize=(2, 2))
fig.figimage(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8))
"""
MIB = 1024 * 1024


def ask(caller: Caller, endpoint: str, **body: object) -> tuple[Mapping[str, Any], int]:
    """The answer of *endpoint*, and how many bytes it took."""
    reply = caller.post(endpoint, body)
    assert reply.status == 200, reply
    return reply.body, int(reply.headers["Content-Length"])


def test_a_picture_comes_once(caller: Caller) -> None:
    """In `charts`; `results` has its number. 80 kB as base64 are 107 kB."""
    answer, size = ask(caller, "python", code=PICTURE)
    (chart,) = answer["charts"]
    assert 80_000 < len(chart["base64"]) * 3 / 4 < 85_000
    assert size < len(chart["base64"]) + FRAME_BYTES
    (result,) = answer["results"]
    assert (result["chart"], "image/png" in result["data"]) == (0, False)


def test_the_first_picture_comes_twice_where_the_guide_promises_it(caller: Caller) -> None:
    """`chart` beside `charts`, of the endpoint `chart` alone."""
    answer, size = ask(caller, "chart", code=FIGURE)
    picture = answer["chart"]["base64"]
    assert len(picture) > 80_000
    assert answer["charts"] == [answer["chart"]]
    assert size < 2 * len(picture) + FRAME_BYTES


@pytest.mark.parametrize(
    "shown",
    ["im.show()", "im.save('a.png')", "im.save(io.BytesIO(), 'png')", "im.save('a.png'); display(Image('a.png'))", "im"],
)
def test_an_image_of_pil_comes_once(caller: Caller, shown: str) -> None:
    """Shown, saved or both; the answer says where it stands among what the run displayed."""
    head = (
        "import io\nfrom PIL import Image as P\nfrom IPython.display import Image, display\nim = P.new('L', (20, 20), 5)\n"
    )
    answer, _ = ask(caller, "python", code=head + "print('a')\ndisplay({'k': 1})\n" + shown)
    (chart,) = answer["charts"]
    assert (chart["mimeType"], answer["truncated"]) == ("image/png", False)
    assert [result.get("chart") for result in answer["results"]] == [None, 0]


@pytest.mark.parametrize("type_", ["application/vnd.x+json", "e2b/data", "application/vnd.plotly.v1+json"])
def test_types_nobody_knows_stay_in_results(caller: Caller, type_: str) -> None:
    """As JSON; a notebook has them in the form that it allows."""
    answer, _ = ask(caller, "python", code=f"display({{{type_!r}: {{'a': [1]}}}}, raw=True)")
    assert answer["results"] == [{"type": "display", "data": {type_: {"a": [1]}}}]
    assert (answer["charts"], answer["truncated"]) == ([], False)


def test_a_plotly_figure_is_a_chart_without_a_picture(caller: Caller) -> None:
    """`chart` is null, and the run no failure."""
    code = "display({'application/vnd.plotly.v1+json': {'data': []}}, raw=True)"
    answer, _ = ask(caller, "chart", code=code)
    assert (answer["success"], answer["chart"], answer["charts"]) == (True, None, [])


def test_an_error_of_a_form_is_told_and_the_run_goes_on(caller: Caller) -> None:
    """On stderr, with the lines of the code; the value still has its text."""
    code = "class A:\n    def _repr_html_(self): 1 / 0\n    def __repr__(self): return 'an A'\nA()"
    answer, _ = ask(caller, "python", code=code, **STREAMS)
    assert (answer["success"], answer["stdout"]) == (True, "")
    assert answer["stderr"].endswith("ZeroDivisionError: division by zero\n")
    assert answer["results"] == [{"type": "result", "data": {"text/plain": "an A"}}]


@pytest.mark.parametrize("endpoint", ["chart", "python"])
def test_an_svg_is_told_as_text_when_it_is_asked_for(caller: Caller, endpoint: str) -> None:
    """As base64 in any case, so that all pictures are read in one way."""
    code = "from IPython.display import SVG, display\ndisplay(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))"
    inputs: dict[str, Any] = {"code": "plt.plot([1, 2])", "format": "svg"} if endpoint == "chart" else {"code": code}
    answer, size = ask(caller, endpoint, **inputs)
    (chart,) = answer["charts"]
    assert (chart["mimeType"], "svg" in chart) == ("image/svg+xml", False)
    assert size < (2 if endpoint == "chart" else 1) * (len(json.dumps(chart)) + FRAME_BYTES)
    answer, _ = ask(caller, endpoint, **inputs, include=["svg"])
    assert "<svg" in answer["charts"][0]["svg"]


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [("python", f"print('x' * {MIB - 1})"), ("javascript", f"console.log('x'.repeat({MIB - 1}))")],
)
def test_printed_text_comes_once(caller: Caller, endpoint: str, code: str) -> None:
    """One MiB printed makes an answer of one MiB; both streams alone are there for who asks."""
    answer, size = ask(caller, endpoint, code=code)
    assert (answer["success"], len(answer["output"])) == (True, MIB)
    assert size < MIB + FRAME_BYTES
    assert not {"stdout", "stderr"} & set(answer)
    answer, _ = ask(caller, endpoint, code=code, **STREAMS)
    assert (len(answer["stdout"]), answer["stderr"]) == (MIB, "")


def test_text_over_the_limit_makes_no_larger_answer(caller: Caller) -> None:
    """The run ends with the output it was allowed, once."""
    answer, size = ask(caller, "python", code="print('x' * 3_000_000)")
    assert (answer["error"]["type"], answer["limits"]) == ("ExecutionError", ["output"])
    assert MIB <= size < MIB + FRAME_BYTES

"""An answer has each piece of content once: measured in bytes, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.caller import Caller
from tests.live import STREAMS

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

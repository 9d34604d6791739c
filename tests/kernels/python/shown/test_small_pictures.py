"""The smaller form beside a picture, which a run may want: when there is one, and what it is like."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from kernels.run_rules import SMALL_PICTURE, SMALL_PX
from tests.kernels.python.harness import Reply, TestKernel

pytestmark = pytest.mark.kernel
HEAD = (
    "import io, random\nimport matplotlib.pyplot as plt\nfrom PIL import Image as P\n"
    "from IPython.display import Image, display\n"
    "def noise(mode='RGB', w=200, h=100):\n    data = random.Random(0).randbytes(w * h * len(mode))\n"
    "    return P.frombytes(mode, (w, h), data)\n"
    "def file(im, form, **more):\n    b = io.BytesIO(); im.save(b, form, **more); return b.getvalue()\n"
)
LIMIT = 20_000


def bundles(reply: Reply) -> list[dict[str, Any]]:
    """All that was shown with a picture, in order."""
    shown = [message["content"]["data"] for message in reply.messages if "data" in message["content"]]
    return [data for data in shown if any(kind.startswith("image/") for kind in data)]


@pytest.mark.parametrize(
    ("code", "kind", "full"),
    [
        ("noise().save('a.png')", "image/jpeg", [200, 100]),
        ("noise().show()", "image/jpeg", [200, 100]),
        ("noise()", "image/jpeg", [200, 100]),
        ("display(noise('RGBA'))", "image/jpeg", [200, 100]),
        ("display(noise().quantize(99))", "image/jpeg", [200, 100]),
        ("display(noise('L'))", "image/png", [200, 100]),
        ("Image(data=file(noise('CMYK', 500, 500), 'JPEG', quality=95))", "image/jpeg", [500, 500]),
        ("P.new('RGB', (30, 20), 'red').save('a.gif')", "image/png", [30, 20]),
        ("P.new('RGB', (30, 20), 'red').save('a.webp')", "image/png", [30, 20]),
        ("P.new('RGB', (4000, 20), 'red')", "image/png", [4000, 20]),
        ("Image(data=file(P.new('RGB', (4000, 20), 'red'), 'JPEG'))", "image/png", [4000, 20]),
        ("Image(data=file(P.new('L', (20, 2001)), 'JPEG', progressive=True))", "image/png", [20, 2001]),
        ("P.new('I;16', (4000, 20))", "image/png", [4000, 20]),
        ("plt.imshow(noise('L')); plt.gcf().set_dpi(300); plt.show()", "image/jpeg", None),
        ("plt.plot([1, 2]); plt.gcf().set_dpi(400)", "image/png", None),
        ("f = plt.figure(dpi=400); plt.plot([1, 2]); plt.close(); display(f)", "image/png", None),
    ],
)
def test_a_picture_that_is_too_large_has_a_smaller_form(
    shared: TestKernel, code: str, kind: str, full: list[int] | None
) -> None:
    """However it is shown; a drawing stays one, and what has many colours becomes a JPEG. The picture is not touched."""
    reply = shared.run(HEAD + code, picture_bytes=LIMIT)
    assert reply.status == "ok", reply.content
    (data,) = bundles(reply)
    small = data[SMALL_PICTURE]
    assert small["mimeType"] == kind
    assert len(small["base64"]) <= LIMIT
    assert max(small["width"], small["height"]) <= SMALL_PX
    assert full is None or small["full"] == full
    raw = base64.b64decode(small["base64"], validate=True)
    if kind == "image/png":
        assert struct.unpack(">II", raw[16:24]) == (small["width"], small["height"])
    again = shared.run(HEAD + code)
    assert set(bundles(again)[0]) == set(data) - {SMALL_PICTURE}
    assert not reply.text("stderr")


@pytest.mark.parametrize(
    "code",
    [
        "plt.figure(figsize=(2, 1)); plt.plot([1, 2])",
        "P.new('RGB', (2000, 20), 'red')",
        "display({'image/svg+xml': '<svg>' + ' ' * 30_000 + '</svg>'}, raw=True)",
        "display({'image/png': 'no base64' * 5_000}, raw=True)",
        "display({'image/png': 'iVBORw0KGgo' + 'A' * 30_000}, raw=True)",
        "display({'image/png': file(noise(), 'PNG')[:9_000]}, raw=True)",
        "display(Image(data=file(P.new('1', (5000, 5100)), 'PNG')))",
        "noise('RGB', 3, 1)",
        "Image(data=file(noise(), 'JPEG', progressive=True, icc_profile=bytes(100)))",
    ],
)
def test_any_other_has_none(shared: TestKernel, code: str) -> None:
    """It is small enough, or no picture that can be opened, or so large that opening it would take the memory."""
    reply = shared.run(HEAD + code, picture_bytes=LIMIT)
    assert reply.status == "ok", reply.content
    assert SMALL_PICTURE not in bundles(reply)[0]


def test_a_picture_that_cannot_be_made_so_small_has_none(shared: TestKernel) -> None:
    """Nobody could see anything on it."""
    (data,) = bundles(shared.run(HEAD + "noise()", picture_bytes=300))
    assert SMALL_PICTURE not in data


def test_so_many_pictures_are_made_small_and_no_more(shared: TestKernel) -> None:
    """A model gets no more of them, and each takes its time. What has no picture does not count."""
    code = "for number in range(23): display('text'); display(P.new('RGB', (2001 + number, 1), 'red'))"
    for _ in range(2):
        made = [SMALL_PICTURE in data for data in bundles(shared.run(HEAD + code, picture_bytes=LIMIT))]
        assert made == [True] * 20 + [False] * 3


def test_a_figure_is_drawn_once(shared: TestKernel) -> None:
    """Its artists are the caller's code."""
    code = "f = plt.figure(dpi=400); plt.plot([1, 2]); f.canvas.mpl_connect('draw_event', lambda event: print('drawn'))"
    reply = shared.run(HEAD + code, picture_bytes=LIMIT)
    assert SMALL_PICTURE in bundles(reply)[0]
    assert reply.text() == "drawn\n"


def test_jupyter_clients_get_none(shared: TestKernel) -> None:
    """Also after a run that wanted them."""
    shared.run("1", picture_bytes=LIMIT)
    (data,) = bundles(shared.plain(HEAD + "noise()"))
    assert SMALL_PICTURE not in data

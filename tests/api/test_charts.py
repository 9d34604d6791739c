"""The charts of the guide, and what any other chart run gives."""

from __future__ import annotations

import base64
import io
import struct

import pytest

from tests.api.caller import Caller

pytestmark = pytest.mark.kernel


def png_size(encoded: str) -> tuple[int, int]:
    """Width and height of a PNG, read from its header (PNG specification, section 11.2.2)."""
    data = base64.b64decode(encoded, validate=True)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return int(width), int(height)


def test_the_trigonometric_chart(caller: Caller) -> None:
    """Quick start, example 4: `plt` is there without import, and the chart has the size asked for."""
    answer = caller.chart(
        """
import numpy as np

# Generate data
x = np.linspace(0, 10, 100)
y1 = np.sin(x)
y2 = np.cos(x)

# Create plot
plt.figure(figsize=(10, 6))
plt.plot(x, y1, 'b-', linewidth=2, label='sin(x)')
plt.plot(x, y2, 'r--', linewidth=2, label='cos(x)')
plt.xlabel('x')
plt.ylabel('y')
plt.title('Trigonometric Functions')
plt.legend()
plt.grid(True, alpha=0.3)
"""
    )
    assert answer["success"] is True, answer
    assert answer["output"] == "Chart saved successfully\n"
    assert answer["chart"]["mimeType"] == "image/png"
    assert len(answer["charts"]) == 1
    width, height = png_size(answer["chart"]["base64"])
    assert 800 < width < 1100
    assert 450 < height < 650


def test_the_quarterly_bar_chart(caller: Caller) -> None:
    """Use case 3: `np` too is there without import."""
    answer = caller.chart(
        """
import pandas as pd

quarters = ['Q1', 'Q2', 'Q3', 'Q4']
revenue = [125000, 150000, 145000, 180000]
expenses = [95000, 110000, 105000, 125000]

x = np.arange(len(quarters))
width = 0.35

fig, ax = plt.subplots(figsize=(10, 6))
ax.bar(x - width/2, revenue, width, label='Revenue', color='#2ecc71')
ax.bar(x + width/2, expenses, width, label='Expenses', color='#e74c3c')
ax.set_xticks(x)
ax.set_xticklabels(quarters)
ax.legend()
ax.grid(True, alpha=0.3, axis='y')
"""
    )
    assert answer["success"] is True, answer
    png_size(answer["chart"]["base64"])


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("plt.plot([1, 2])", 1),
        ("plt.plot([1, 2])\nplt.show()", 1),
        ("plt.plot([1, 2])\nplt.savefig('a.png')", 1),
        ("plt.plot([1, 2])\nplt.savefig('a.png')\nplt.close()", 1),
        ("plt.plot([1, 2])\nplt.savefig('a.png')\nplt.show()", 1),
        ("for i in range(3):\n    plt.figure()\n    plt.plot([i])", 3),
        ("fig, ax = plt.subplots()\nax.plot([1])\nfig", 1),
        ("from matplotlib.figure import Figure\nf = Figure()\nf.add_subplot().plot([1])\nf.savefig('f.png')", 1),
        ("pd.DataFrame({'a': [1, 2]}).plot()\nsns.catplot(x=[1, 2], y=[3, 4])", 2),
        ("plt.plot([1])\nplt.show()\nplt.plot([2])\nplt.show()", 2),
    ],
)
def test_every_figure_comes_exactly_once(caller: Caller, code: str, count: int) -> None:
    """Left open, shown, saved, saved and closed, or drawn without pyplot: one chart each."""
    answer = caller.chart(code)
    assert answer["success"] is True, answer
    assert len(answer["charts"]) == count
    assert answer["output"] == "Chart saved successfully\n"


def test_charts_come_in_the_order_of_their_figures(caller: Caller) -> None:
    """The first chart is the first figure."""
    answer = caller.chart("for w in (2, 4, 6):\n    plt.figure(figsize=(w, 3))\n    plt.plot([1, 2])")
    widths = [png_size(chart["base64"])[0] for chart in answer["charts"]]
    assert widths == sorted(widths)
    assert answer["chart"] == answer["charts"][0]


def test_a_chart_run_without_a_chart_is_an_error(caller: Caller) -> None:
    """An empty success would hide the mistake."""
    answer = caller.chart("x = 1")
    assert answer["success"] is False
    assert answer["chart"] is None
    assert answer["error"]["type"] == "ChartError"


def test_svg_and_dpi_on_request(caller: Caller) -> None:
    """SVG is text that draws; twice the dpi is about twice the size."""
    svg = caller.post("chart", {"code": "plt.plot([1, 2])", "format": "svg"}).body
    assert svg["chart"]["mimeType"] == "image/svg+xml"
    assert b"<svg" in base64.b64decode(svg["chart"]["base64"])
    small = png_size(caller.post("chart", {"code": "plt.plot([1, 2])", "dpi": 50}).body["chart"]["base64"])
    large = png_size(caller.post("chart", {"code": "plt.plot([1, 2])", "dpi": 100}).body["chart"]["base64"])
    assert 1.8 < large[0] / small[0] < 2.2


@pytest.mark.parametrize("text", ["销售额", "売上高", "매출액"])
def test_east_asian_text_is_drawn_as_glyphs(caller: Caller, text: str) -> None:
    """A missing glyph is one and the same box for every character: different characters must look different."""
    code = f"""
import io, warnings
from PIL import Image
def drawn(text):
    fig = plt.figure(figsize=(1, 1))
    fig.text(0.1, 0.4, text, fontsize=30)
    target = io.BytesIO()
    fig.savefig(target)
    plt.close(fig)
    return target.getvalue()
print(len({{drawn(c) for c in {text!r}}}))
plt.title({text!r})
plt.plot([1])
"""
    answer = caller.chart(code)
    assert answer["success"] is True, answer
    assert answer["output"] == "3\nChart saved successfully\n"


def test_the_png_opens_as_a_picture(caller: Caller) -> None:
    """A decoder, not only a header, accepts it."""
    answer = caller.python(
        "import base64, io\nimport matplotlib.pyplot as plt\nfrom PIL import Image\nplt.plot([1, 2])\nplt.savefig('x.png')\n"
        "print(Image.open('x.png').size)"
    )
    assert answer["success"] is True, answer
    assert io.BytesIO(base64.b64decode(answer["charts"][0]["base64"])).read(4) == b"\x89PNG"

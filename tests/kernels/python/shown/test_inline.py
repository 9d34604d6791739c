"""`%config InlineBackend` and `%matplotlib`: they work, or say that they do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kernels.run_rules import MIN_DPI
from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel
PLOT = "\nimport matplotlib.pyplot as plt\nplt.figure(figsize=(2, 1)); plt.plot([1, 2]); plt.show()"
SET = "%config InlineBackend.figure_format = "


@pytest.fixture
def kernel(shared: TestKernel) -> Iterator[TestKernel]:
    """A kernel with the usual settings, which it has again afterwards."""
    yield shared
    assert shared.plain(f"{SET}'png'").text("stderr") == ""


def width(image: bytes) -> int:
    """The pixels of a PNG from left to right."""
    return int.from_bytes(image[16:20], "big")


@pytest.mark.parametrize("is_ours", [True, False], ids=["gateway", "jupyter"])
@pytest.mark.parametrize(
    "code",
    [f"{SET}'retina'", f"{SET}'png2x'", "import matplotlib_inline as m\nm.backend_inline.set_matplotlib_formats('retina')"],
)
def test_retina_has_twice_the_pixels_in_the_same_place(kernel: TestKernel, code: str, is_ours: bool) -> None:
    """Also in the runs that follow; the size at which to show it comes along, as IPython has it."""
    run = kernel.run if is_ours else kernel.plain
    (usual,) = run(PLOT).images()
    for reply in (run(code + PLOT), run(PLOT)):
        assert reply.text("stderr") == ""
        (image,) = reply.images()
        assert abs(width(image) - 2 * width(usual)) <= 2
        (shown,) = reply.of("display_data")
        assert shown["metadata"]["image/png"]["width"] == width(image) // 2


@pytest.mark.parametrize("said", ["'svg'", "'retina'\n%config InlineBackend.figure_formats = {'svg', 'png'}"])
def test_svg_is_drawn_when_it_is_chosen(kernel: TestKernel, said: str) -> None:
    """Until something else is."""
    for reply in (kernel.run(SET + said + PLOT), kernel.run(PLOT), kernel.run(PLOT + "\ndisplay(plt.figure())")):
        assert len(reply.images("image/svg+xml")) == 1
        assert reply.images() == []
    assert len(kernel.run(f"{SET}'png'{PLOT}").images()) == 1


def test_a_chart_run_has_the_format_it_is_asked_for(kernel: TestKernel) -> None:
    """Unless its own code says otherwise."""
    asked = {"format": "png", "dpi": MIN_DPI}
    assert len(kernel.run(f"{SET}'svg'{PLOT}", task="chart", inputs=asked).images("image/svg+xml")) == 1
    assert len(kernel.run(PLOT, task="chart", inputs=asked).images()) == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (f"{SET}'pdf'", "figure_format pdf: not available here. Figures come as png, retina (twice the pixels) or svg.\n"),
        (f"{SET}'jpeg'", "figure_format jpeg: not available here. Figures come as png, retina (twice the pixels) or svg.\n"),
        ("%config InlineBackend.close_figures = False", "InlineBackend.close_figures has no effect here.\n"),
        ("%config InlineBackend.rc = {'font.size': 3}", "InlineBackend.rc has no effect here.\n"),
        *(
            (
                f"%matplotlib {name}",
                f"%matplotlib {name}: not available here, as there are no windows and no widgets. "
                "Figures come as pictures.\n",
            )
            for name in ("widget", "notebook", "qt")
        ),
        ("%xmode Verbose", "%xmode has no effect here: tracebacks are plain.\n"),
        ("%matplotlib inline", ""),
        ("%matplotlib agg", ""),
        ("%matplotlib", ""),
    ],
)
def test_what_has_no_effect_says_so(kernel: TestKernel, code: str, said: str) -> None:
    """The run succeeds, and its figures come as before."""
    reply = kernel.run(code + PLOT)
    assert (reply.status, reply.text("stderr")) == ("ok", said), reply.content
    assert len(reply.images()) == 1
    assert "Exception reporting mode: Context" in kernel.plain("%xmode Context").text(), "Jupyter clients may choose"
    kernel.run("%config InlineBackend.close_figures = True\n%config InlineBackend.rc = {}")

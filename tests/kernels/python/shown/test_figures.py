"""Figures: each exactly once, in order of creation, whatever user code does with it."""

from __future__ import annotations

import re

import pytest

from kernels.run_rules import MAX_DPI, MIN_DPI, NO_CHART
from tests.kernels.python.harness import Reply, TestKernel

pytestmark = pytest.mark.kernel
HEAD = "import matplotlib.pyplot as plt, numpy as np, io\nfrom matplotlib.figure import Figure\n"
MARKED = "def mark(n):\n    plt.figure(figsize=(n, 1)); plt.plot([1, 2]); return plt.gcf()\n"


def widths(reply: Reply) -> list[int]:
    """The widths of the pictures in hundreds of pixels, before margins were cut; figures of mark(n) are n wide."""
    shown = [m["content"]["data"] for m in reply.messages if m["msg_type"] in ("display_data", "execute_result")]
    sizes = [re.search(r"size (\d+)x", data["text/plain"]) for data in shown if "image/png" in data]
    return [int(size.group(1)) // 100 for size in sizes if size]


def pixels(reply: Reply) -> int:
    """The width of the only picture in pixels."""
    (image,) = reply.images()
    return int.from_bytes(image[16:20], "big")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("mark(3)", [3]),
        ("mark(3); plt.show()", [3]),
        ("mark(3).show()", [3]),
        ("mark(3); plt.show(); plt.show()", [3]),
        ("mark(3).savefig('a.png')", [3]),
        ("mark(3); plt.savefig('a.png'); plt.close()", [3]),
        ("f = mark(3); f.savefig(io.BytesIO()); plt.close(f); f.savefig(io.BytesIO())", [3]),
        ("f = mark(3); plt.show(); f.savefig(io.BytesIO())", [3]),
        ("mark(3); plt.close()", []),
        ("mark(3); plt.close('all'); mark(4)", [4]),
        ("mark(3); mark(5); mark(4)", [3, 5, 4]),
        ("mark(3); mark(5).savefig('b.png'); plt.close(); mark(4); plt.show()", [3, 5, 4]),
        ("mark(3); plt.show(); mark(5); plt.show(); mark(4)", [3, 5, 4]),
        ("for n in (2, 3, 4):\n    mark(n); plt.savefig('c.png'); plt.close()", [2, 3, 4]),
        ("mark(3)\nplt.figure()", [3]),
        ("f = Figure(figsize=(4, 1)); f.subplots().plot([1, 2]); f.savefig('d.png')", [4]),
        ("f = Figure(figsize=(4, 1)); f.subplots().plot([1, 2])", []),
        ("f = mark(3)\nf", [3]),
        ("f = mark(3)\ndisplay(f); display(f)", [3]),
        ("f = mark(3); plt.show()\nf", [3]),
        ("f = mark(3); g = mark(5)\nf", [3, 5]),
        ("import seaborn as sns; mark(3); sns.lineplot(x=[1, 2], y=[1, 2])", [3]),
        ("import pandas as pd; pd.DataFrame({'a': [1, 2]}).plot(figsize=(4, 2))", [4]),
        ("fig, axes = plt.subplots(2, 2, figsize=(4, 4)); axes[0, 0].plot([1, 2])", [4]),
        ("plt.ioff(); mark(3)", [3]),
        ("plt.ion(); mark(3); plt.show()", [3]),
        ("import matplotlib; matplotlib.use('Agg'); mark(3)", [3]),
        ("import matplotlib; matplotlib.use('TkAgg', force=False); mark(3)", [3]),
        ("%matplotlib inline\nmark(3); plt.show()", [3]),
        ("from IPython.display import display\ndisplay(mark(3))", [3]),
        ("mark(3)\nraise ValueError('after')", [3]),
    ],
)
def test_each_figure_is_published_once(shared: TestKernel, code: str, expected: list[int]) -> None:
    """However a figure is left, shown, saved or closed, it comes exactly once and in order, and nothing warns."""
    reply = shared.run(HEAD + MARKED + code)
    assert reply.status == ("error" if "raise" in code else "ok"), reply.content
    assert widths(reply) == expected
    assert reply.text("stderr") == ""


def test_nothing_of_an_earlier_run_comes_back(kernel: TestKernel) -> None:
    """A figure belongs to the run that drew it."""
    assert len(kernel.run(HEAD + "fig, ax = plt.subplots(); ax.plot([1, 2])").images()) == 1
    assert kernel.run("x = 1").images() == []
    assert kernel.run("plt.show()").images() == []
    assert len(kernel.run("plt.plot([3, 4])").images()) == 1
    assert len(kernel.run("ax.plot([2, 1]); fig.savefig('again.png')").images()) == 1


def test_figures_come_between_the_texts_around_them(shared: TestKernel) -> None:
    """plt.show() publishes where it stands in the output."""
    reply = shared.run(HEAD + "print('a'); plt.plot([1, 2]); plt.show(); print('b')")
    kinds = [m["msg_type"] for m in reply.messages if m["msg_type"] in ("stream", "display_data")]
    assert kinds == ["stream", "display_data", "stream"]


def test_a_figure_that_cannot_be_drawn_fails_the_run_and_keeps_the_others(shared: TestKernel) -> None:
    """Bad math text is an error of the run; figures beside it still come."""
    reply = shared.run(HEAD + "plt.figure(); plt.title('$\\\\nosuch$'); plt.figure(); plt.plot([1, 2])")
    assert (reply.status, reply.content["ename"]) == ("error", "ValueError")
    assert "nosuch" in reply.content["evalue"]
    assert len(reply.images()) == 1
    assert shared.run(HEAD + "plt.plot([1, 2])").status == "ok"


def test_size_format_and_resolution_are_as_asked(shared: TestKernel) -> None:
    """100 dots an inch unless asked otherwise; SVG on request."""
    code = HEAD + "plt.figure(figsize=(4, 3)); plt.plot([1, 2])"
    usual = pixels(shared.run(code))
    assert 300 < usual <= 400
    assert abs(pixels(shared.run(code, inputs={"dpi": 200})) - 2 * usual) <= 2
    assert abs(pixels(shared.run(code + "; plt.gcf().set_dpi(50)")) - usual / 2) <= 2
    svg = shared.run(code, inputs={"format": "svg"}).images("image/svg+xml")
    assert len(svg) == 1
    assert b"<svg" in svg[0]


@pytest.mark.parametrize(("asked", "drawn"), [(10**9, MAX_DPI), (1, MIN_DPI)])
def test_a_resolution_is_brought_within_the_limits(shared: TestKernel, asked: int, drawn: int) -> None:
    """The gateway refuses others; a request that came past it is drawn at the nearest one allowed."""
    code = HEAD + "plt.figure(figsize=(4, 3)); plt.plot([1, 2])"
    first, second = (pixels(shared.run(code, inputs={"format": "png", "dpi": dpi})) for dpi in (asked, drawn))
    assert first == second


def test_animations_draw_their_first_frame(shared: TestKernel) -> None:
    """An animation is one figure, and no warning says that it was never rendered."""
    reply = shared.run(
        HEAD + "from matplotlib.animation import FuncAnimation\nfig, ax = plt.subplots()\n"
        "line, = ax.plot([0, 1], [0, 1])\nani = FuncAnimation(fig, lambda i: line.set_ydata([0, i]), frames=3)\n"
    )
    assert len(reply.images()) == 1
    assert reply.text("stderr") == ""


def test_pictures_of_other_libraries_are_shown(shared: TestKernel) -> None:
    """A PIL image as last expression, and display()."""
    reply = shared.run("from PIL import Image\nImage.new('RGB', (5, 5), 'red')")
    assert reply.result["image/png"].startswith("iVBOR")
    assert len(shared.run("display(Image.new('RGB', (5, 5)))").images()) == 1


def test_chart_predefines_the_names_and_says_saved(shared: TestKernel) -> None:
    """plt, np, pd and sns need no import; success is told on stdout."""
    reply = shared.run("print('mine')\nplt.plot(np.arange(3)); df = pd.DataFrame({'a': [1]}); sns.set_theme()", "chart")
    assert reply.status == "ok", reply.content
    assert reply.text("stdout") == "mine\nChart saved successfully\n"
    assert len(reply.images()) == 1
    assert list(reply.variables) == ["df"]


@pytest.mark.parametrize("code", ["x = 1", "plt.figure()", "plt.plot([1]); plt.close()", ""])
def test_a_chart_without_figure_is_an_error(shared: TestKernel, code: str) -> None:
    """No figure, no success."""
    reply = shared.run(code, "chart")
    assert (reply.status, reply.content["ename"]) == ("error", "ChartError")
    assert reply.content["evalue"] == NO_CHART
    assert "saved" not in reply.text()
    assert "kernels" not in reply.traceback


def test_chart_code_that_raises_reports_its_own_error(shared: TestKernel) -> None:
    """The caller's error comes before a missing figure."""
    reply = shared.run("1/0", "chart")
    assert reply.content["ename"] == "ZeroDivisionError"
    assert "saved" not in reply.text()


def test_the_python_task_predefines_nothing(kernel: TestKernel) -> None:
    """Only the chart task brings its names."""
    assert kernel.run("plt").content["ename"] == "NameError"
    assert kernel.run("np").content["ename"] == "NameError"


STYLES = ["", "plt.rcParams['font.sans-serif'] = ['SimHei']\n", "plt.rcParams['font.family'] = 'Malgun Gothic'\n"]
NO_GLYPH = "UserWarning: Glyph 1114109 (\\U0010fffd) missing from all fonts."


STYLES += ["sns.set_theme()\n", "plt.style.use('ggplot')\n", "plt.rcdefaults()\n"]
SCRIPTS = ["漢語圖表", "日本語かなカナ", "한국어", "नमसत", "ไทยก", "தமழ", "বলর", "ქართ", "አማር", "📈🚀"]


@pytest.mark.parametrize(("style", "text"), [*((style, "汉语नम") for style in STYLES), *(("", text) for text in SCRIPTS)])
def test_text_of_every_script_draws_as_glyphs(shared: TestKernel, style: str, text: str) -> None:
    """Each character is drawn as its own glyph, not as one box for all, whatever font the code asked for."""
    code = style + (
        "def drawn(t):\n"
        "    fig = plt.figure(figsize=(1, 1)); fig.text(0.1, 0.1, t, fontsize=40); fig.canvas.draw()\n"
        "    pixels = bytes(fig.canvas.buffer_rgba()); plt.close(fig); return pixels\n"
        f"pictures = [drawn(t) for t in {text!r}]\n"
        "missing = drawn(chr(0x10fffd))\n"
        "plt.plot([1])\n"
        "(len(set(pictures)), missing in pictures)"
    )
    reply = shared.run(code, "chart")
    assert reply.result["text/plain"] == f"({len(set(text))}, False)"
    said = reply.text("stderr").splitlines()
    assert (said[0].partition(": ")[2], len(said)) == (NO_GLYPH, 2), "of the one that is missing, with its line"
    shared.run("plt.rcdefaults()\nplt.plot([1])", "chart")


STARTS = {
    "pdf": b"%PDF",
    "ps": b"%!PS",
    "eps": b"%!PS",
    "svg": b"<?xml",
    "svgz": b"\x1f\x8b",
    "png": b"\x89PNG",
    "jpg": b"\xff\xd8",
    "webp": b"RIFF",
    "tiff": b"II",
}


@pytest.mark.parametrize(
    ("kind", "option"), [*((kind, "") for kind in STARTS), ("pdf", "plt.rcParams['pdf.fonttype'] = 42")]
)
def test_a_figure_with_text_is_saved_in_every_format(shared: TestKernel, kind: str, option: str) -> None:
    """Backends read fonts in ways of their own, to embed them; with glyphs of several files."""
    text = "Title \N{GREEK SMALL LETTER ALPHA} 売上"
    reply = shared.run(
        f"{HEAD}{option}\nto = io.BytesIO(); plt.plot([1, 2]); plt.title('{text}'); plt.text(0, 1, '$\\\\frac{{a}}{{b}}$')\n"
        f"plt.savefig(to, format='{kind}'); plt.close(); plt.rcdefaults(); print(to.getvalue()[:4])"
    )
    assert reply.status == "ok", reply.content
    assert reply.text().startswith(repr(STARTS[kind][:4])[:-1]), reply.text()


def test_fonts_know_their_files(shared: TestKernel) -> None:
    """What reads a font anew goes by that name; files that code opens meanwhile are its own."""
    reply = shared.run(
        "from matplotlib import font_manager, ft2font\nimport os, pathlib\n"
        "path = font_manager.findfont('DejaVu Sans')\n"
        "print(font_manager.get_font(path).fname == path == ft2font.FT2Font(path).fname)\n"
        "pathlib.Path('own').write_text('mine'); print(pathlib.Path('own').read_text(), pathlib.Path(path).read_bytes()[:4])"
    )
    assert reply.text() == "True\nmine b'\\x00\\x01\\x00\\x00'\n"


def test_a_family_that_is_not_there_is_drawn_without_a_word(shared: TestKernel) -> None:
    """Callers can't install fonts; another has the glyphs. Not even when code turns all warnings on."""
    reply = shared.run(
        "import warnings; warnings.simplefilter('always')\n"
        "plt.rcParams['font.family'] = ['NoSuchFont', 'AlsoNot']\n"
        "plt.title('\\U0001F600 ∑'); plt.plot([1, 2]); plt.tight_layout(); plt.savefig('x.png'); plt.show()\n"
        "plt.rcdefaults(); warnings.resetwarnings()",
        "chart",
    )
    assert (reply.status, reply.text("stderr")) == ("ok", "")


def test_a_glyph_that_no_font_has_is_told_once(shared: TestKernel) -> None:
    """By the figure's drawing or by the line that draws, and again in the next run."""
    for _run in range(2):
        reply = shared.run(
            f"{HEAD}plt.title('a\\U0010fffd'); plt.plot([1]); plt.show(); plt.title('b\\U0010fffd'); plt.plot([1])"
        )
        assert reply.text("stderr") == f"<figure>:1: {NO_GLYPH}\n"
    reply = shared.run(f"{HEAD}\nplt.title('\\U0010fffd')\nplt.savefig('a.png')")
    assert reply.text("stderr").splitlines()[0].endswith(f":5: {NO_GLYPH}")
    assert reply.text("stderr").count("Glyph") == 1, "and not once more for the picture of the run"


def test_glyphs_that_are_missing_do_not_flood_an_answer(shared: TestKernel) -> None:
    """A whole text in an unknown script names some."""
    reply = shared.run(f"{HEAD}plt.title(''.join(map(chr, range(0x10ff00, 0x10ff40)))); plt.plot([1])")
    lines = reply.text("stderr").splitlines()
    assert (len(lines), lines[-1]) == (21, "<figure>:1: UserWarning: Glyphs of more characters are missing from all fonts.")


def test_a_glyph_that_code_does_not_want_to_hear_of_is_not_told(shared: TestKernel) -> None:
    """Its filters hold, also for what is drawn after its last line; and a formula has words of its own."""
    begin = "import warnings\nwarnings.filterwarnings('ignore')\n"
    reply = shared.run(f"{HEAD}{begin}plt.title('\\U0010fffd'); plt.plot([1])")
    assert reply.text("stderr") == ""
    shared.run("warnings.resetwarnings()")
    assert "does not have a glyph" in shared.run(f"{HEAD}plt.title('$a ऩ$'); plt.plot([1])").text("stderr")


DRAWINGS = {
    "line": "fig, ax = plt.subplots(); ax.plot([1, 2]); ax.set_title('t')",
    "filled": "fig, ax = plt.subplots(facecolor='red'); ax.set_position([0, 0, 1, 1]); ax.plot([1, 2])",
    "outside": "fig, ax = plt.subplots(); ax.plot([1, 2]); ax.text(1.5, 0.5, 'far outside', transform=ax.transAxes)",
    "layout": "fig, ax = plt.subplots(2, 2, layout='constrained'); ax[0, 0].set_ylabel('y')",
    "three": "fig = plt.figure(); ax = fig.add_subplot(projection='3d'); ax.plot([1, 2], [1, 2], [1, 2])",
    "colorbar": "fig, ax = plt.subplots(); fig.colorbar(ax.imshow([[1, 2], [3, 4]]))",
    "suptitle": "fig, ax = plt.subplots(); ax.plot([1, 2]); fig.suptitle('far above', y=1.2)",
    "legend": "fig, ax = plt.subplots(); ax.plot([1, 2], label='outside'); ax.legend(bbox_to_anchor=(1.05, 1))",
    "long": "fig, ax = plt.subplots(); ax.plot([1, 2]); ax.set_title('beyond both edges of the figure ' * 5)",
    "tight": "fig, ax = plt.subplots(2, 1); ax[0].set_title('t'); ax[1].set_xlabel('x'); fig.tight_layout()",
    "constrained": "fig, ax = plt.subplots(layout='constrained'); ax.plot([1, 2]); fig.text(1.2, 0.5, 'outside')",
    "gradient": "fig, ax = plt.subplots(); ax.imshow(np.add.outer(np.arange(300), np.arange(300)))",
    "clear": "fig, ax = plt.subplots(); fig.patch.set_alpha(0); ax.plot([1, 2])",
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_cut_from_one_drawing_is_as_matplotlib_cuts_it(shared: TestKernel, name: str) -> None:
    """Size, background and content agree with savefig(bbox_inches='tight') up to a pixel of rounding."""
    reply = shared.run(
        HEAD
        + DRAWINGS[name]
        + "\nfrom PIL import Image\nfrom kernels.python.shown import drawing\n"
        + "ours = Image.open(io.BytesIO(drawing.render(fig, 'png', 120).data)).convert('RGBA')\n"
        + "b = io.BytesIO(); fig.savefig(b, dpi=120, bbox_inches='tight', facecolor=fig.get_facecolor())\n"
        + "theirs = Image.open(b).convert('RGBA'); plt.close('all')\n"
        + "small = lambda i: np.asarray(i.resize((16, 16), Image.Resampling.BOX), float)\n"
        + "[[a - b for a, b in zip(ours.size, theirs.size)], float(abs(small(ours) - small(theirs)).max()), fig.dpi]"
    )
    assert reply.status == "ok", reply.content
    sizes, difference, dpi = reply.result["application/json"]
    assert all(abs(part) <= 2 for part in sizes)  # a pixel at each margin
    assert difference < 30
    assert dpi == 100


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_file_holds_the_pixels_that_were_drawn(shared: TestKernel, name: str) -> None:
    """Whichever filter suits them; another decoder reads each as it was, and the resolution."""
    reply = shared.run(
        HEAD
        + DRAWINGS[name]
        + "\nfrom PIL import Image\nfrom kernels.python.shown import png\nfig.canvas.draw()\n"
        + "pixels = np.asarray(fig.canvas.buffer_rgba())[3:, 5:]\n"
        + "image = Image.open(io.BytesIO(png.encode(pixels, 120))); plt.close('all')\n"
        + "[bool((np.asarray(image) == pixels).all()), image.mode, round(image.info['dpi'][0])]"
    )
    assert reply.result["application/json"] == [True, "RGBA", 120]


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_and_its_box_are_matplotlibs_own(shared: TestKernel, name: str) -> None:
    """Whatever is looked up once only: every pixel and every edge is as without that; and nothing of it stays behind."""
    reply = shared.run(
        HEAD
        + DRAWINGS[name]
        + "\nfrom matplotlib.backends.backend_agg import FigureCanvasAgg\nfrom kernels.python.shown import extent\n"
        + "def draw():\n    fig.canvas.draw(); return np.asarray(fig.canvas.buffer_rgba()).copy()\n"
        + "draw(); pixels = draw(); r = fig.canvas.get_renderer(); box = extent.box_of(fig, r).extents.tolist()\n"
        + "names = [n for a in fig.axes for x in (a.xaxis, a.yaxis) for n in extent.ASKED_AGAIN if n in vars(x)]\n"
        + "again = fig.get_tightbbox(r).extents.tolist(); FigureCanvasAgg(fig)\n"
        + "same = bool((pixels == draw()).all()); theirs = fig.get_tightbbox(fig.canvas.get_renderer()).extents.tolist()\n"
        + "plt.close('all'); [same, box == again == theirs, type(r).__module__.split('.')[0], names]"
    )
    assert reply.result["application/json"] == [True, True, "kernels", []], reply.content


def test_each_text_is_as_high_as_matplotlib_makes_it(shared: TestKernel) -> None:
    """At every size, weight, family and resolution, also after one of them has changed."""
    reply = shared.run(
        HEAD
        + "from matplotlib.backends.backend_agg import RendererAgg\nfrom itertools import product\n"
        + "fig = plt.figure(); renderer, wrong = fig.canvas.get_renderer(), []\n"
        + "for size, weight, family, words in product((7, 30), (400, 700), ('serif', 'monospace'), ('a\\ng', '売')):\n"
        + "    text = fig.text(0, 0, words, size=size, weight=weight, family=family)\n"
        + "    for dpi in (100, 37, 100):\n"
        + "        boxes = [text.get_window_extent(r, dpi=dpi).extents for r in (renderer, RendererAgg(640, 480, 100))]\n"
        + "        if not (boxes[0] == boxes[1]).all(): wrong.append((words, size, dpi))\n"
        + "plt.close('all'); [type(renderer).__name__, wrong]"
    )
    assert reply.result["application/json"] == ["Renderer", []], reply.content


DRAWN = (
    "count, drawing = 0, Figure.draw\n"
    "def draw(self, *a, **k):\n    global count\n    count += 1\n    return drawing(self, *a, **k)\n"
    "Figure.draw = draw\n"
)


@pytest.mark.parametrize(("name", "times"), [("line", 1), ("suptitle", 2), ("legend", 2)])
def test_a_figure_is_drawn_once_and_twice_if_it_goes_beyond_its_edge(kernel: TestKernel, name: str, times: int) -> None:
    """What was found in the first drawing is not looked for again."""
    reply = kernel.run(HEAD + DRAWN + DRAWINGS[name] + "\nplt.show(); count")
    assert (reply.result["application/json"], len(reply.images())) == (times, 1)


LIMIT = (
    "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
    "resource.setrlimit(resource.RLIMIT_AS, (used + 60 * 1024 * 1024,) * 2)\n"
)


def test_many_figures_need_the_memory_of_one(kernel: TestKernel) -> None:
    """Each is published and let go of as soon as it is drawn: 30 of 6 MB each fit into 60 MB."""
    code = "for _ in range(30): plt.figure(figsize=(12, 12)); plt.plot([1, 2, 3])\n"
    reply = kernel.run(
        "import resource, warnings, matplotlib.pyplot as plt\nwarnings.simplefilter('ignore')\n" + code + LIMIT
    )
    assert (reply.status, len(reply.images())) == ("ok", 30), reply.traceback if reply.status == "error" else reply.status


def test_running_out_of_memory_while_drawing_keeps_the_other_figures(kernel: TestKernel) -> None:
    """The figures beside one that is too large come with the error."""
    code = "for n in (1, 200, 2): plt.figure(figsize=(n, n)); plt.plot([1, 2, 3])\n"
    reply = kernel.run("import resource, matplotlib.pyplot as plt\n" + code + LIMIT)
    assert reply.content["ename"] == "MemoryError"
    assert len(reply.images()) == 2
    assert kernel.run("print('on')").text() == "on\n"

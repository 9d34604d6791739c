"""What figures show, as data: every expected value is written by hand or is what the code drew."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernels.python.shown.chart_data.budget import DataBudget
from tests.kernels.python.harness import Reply, TestKernel

pytestmark = pytest.mark.kernel
MIME = "application/vnd.omega.chart+json"
ROOM = 262_144
HEAD = "import datetime, matplotlib.pyplot as plt, numpy as np, pandas as pd, seaborn as sns\nplt.rcdefaults()\n"
NOTHING = {"chart_bytes": ROOM, "variables": False}


def told(kernel: TestKernel, code: str, **more: Any) -> Any:
    """The data of the only figure of *code*; None when it came without."""
    reply = kernel.run(HEAD + code, **{**NOTHING, **more})
    assert reply.status == "ok", reply.content
    assert reply.text("stderr") == ""
    (bundle,) = bundles(reply)
    return bundle.get(MIME)


def bundles(reply: Reply) -> list[dict[str, Any]]:
    """What each picture came with, by MIME type."""
    shown = [m["content"]["data"] for m in reply.messages if m["msg_type"] in ("display_data", "execute_result")]
    return [data for data in shown if "image/png" in data or "image/svg+xml" in data]


def line(label: str, *points: list[Any]) -> dict[str, Any]:
    return {"label": label, "points": [*points]}


def bar(label: str, group: str, value: float) -> dict[str, Any]:
    return {"label": label, "group": group, "value": value}


def box(label: str, *five: float, outliers: tuple[float, ...] = ()) -> dict[str, Any]:
    names = ("min", "first_quartile", "median", "third_quartile", "max")
    return {"label": label, **dict(zip(names, five, strict=True)), "outliers": [*outliers]}


BOXES = [box("p", 1, 2, 3, 4, 4, outliers=(20,)), box("q", 2, 2.5, 3, 3.5, 4)]
SAMPLES = "[[1, 2, 3, 4, 20], [2, 3, 4]]"
ROWS = "x=['a'] * 5 + ['b'] * 5, y=[1, 2, 3, 4, 50, 3, 4, 5, 6, 9]"
KINDS: dict[str, tuple[str, str, list[Any]]] = {
    "line": ("plt.plot([1, 2], [3, 4], label='k')", "line", [line("k", [1, 3], [2, 4])]),
    "lines": ("plt.plot([1, 2]); plt.plot([5])", "line", [line("Line 0", [0, 1], [1, 2]), line("Line 1", [0, 5])]),
    "markers": ("plt.plot([5, 6], [7, 8], 'o')", "line", [line("Line 0", [5, 7], [6, 8])]),
    "level": ("plt.plot([1, 3], [2, 2])", "line", [line("Line 0", [1, 2], [3, 2])]),
    "references": ("plt.plot([1, 2]); plt.axhline(2); plt.axvline(1); plt.axline((0, 0), (1, 1)); plt.grid()", "line", [
        line("Line 0", [0, 1], [1, 2])
    ]),
    "gaps": ("plt.plot([1, 2, 3], [1, np.nan, np.inf])", "line", [line("Line 0", [1, 1], [2, None], [3, None])]),
    "masked": ("plt.plot([1, 2], np.ma.masked_equal([1, 9], 9))", "line", [line("Line 0", [1, 1], [2, None])]),
    "names": ("plt.plot(list('abcdef'), [2] * 6)", "line", [line("Line 0", *[[name, 2] for name in "abcdef"])]),
    "dates": ("plt.plot([datetime.datetime(2024, 2, 29, 12), datetime.datetime(2024, 3, 1)], [1, 2])", "line", [
        line("Line 0", ["2024-02-29T12:00:00", 1], ["2024-03-01T00:00:00", 2])
    ]),
    "fractions": ("plt.plot(np.array(['2024-01-01T00:00:00.25', '2024-01-02'], 'datetime64[ms]'), [1, 2])", "line", [
        line("Line 0", ["2024-01-01T00:00:00.250000", 1], ["2024-01-02T00:00:00.000000", 2])
    ]),
    "periods": ("pd.Series([1, 2], pd.date_range('2024-01-31', periods=2, freq='ME')).plot(label='m')", "line", [
        line("m", ["2024-01-01T00:00:00", 1], ["2024-02-01T00:00:00", 2])
    ]),
    "frame": ("pd.DataFrame({'a': [1, 2], 'b': [3, 4]}).plot()", "line", [
        line("a", [0, 1], [1, 2]), line("b", [0, 3], [1, 4])
    ]),
    "stem": ("plt.stem([1, 2], [4, 5])", "line", [line("Line 0", [1, 4], [2, 5])]),
    "polar": ("plt.polar([0, 1], [1, 2])", "line", [line("Line 0", [0, 1], [1, 2])]),
    "mean and band": ("sns.lineplot(x=[1, 1, 2, 2], y=[1, 2, 3, 4])", "line", [line("Line 0", [1, 1.5], [2, 3.5])]),
    "scatter": ("plt.scatter([1, 2], [3, np.nan], label='s')", "scatter", [line("s", [1, 3], [None, None])]),
    "bars": ("plt.bar(['A', 'B'], [1, 2], label='n'); plt.tight_layout(); plt.show()", "bar", [
        bar("A", "n", 1), bar("B", "n", 2)
    ]),
    "bars of equal height": ("plt.bar([1, 2, 3], [5, 5, 5])", "bar", [bar(n, "Group 0", 5) for n in "123"]),
    "bars of days": ("plt.bar([datetime.date(2024, 1, 1), datetime.date(2024, 1, 3)], [1, 2])", "bar", [
        bar("2024-01-01T00:00:00", "Group 0", 1), bar("2024-01-03T00:00:00", "Group 0", 2)
    ]),
    "a bar of nothing": ("plt.bar(['a', 'b'], [1, np.nan])", "bar", [
        bar("a", "Group 0", 1), {"label": "b", "group": "Group 0", "value": None}
    ]),
    "lying bars": ("plt.barh(['a', 'b'], [3, 3])", "bar", [bar("a", "Group 0", 3), bar("b", "Group 0", 3)]),
    "groups of bars": (
        "x = np.arange(2); plt.bar(x - .2, [1, 2], .4, label='A'); plt.bar(x + .2, [3, 4], .4, label='B')\n"
        "plt.xticks(x, ['g', 'h'])", "bar", [bar("g", "A", 1), bar("h", "A", 2), bar("g", "B", 3), bar("h", "B", 4)]
    ),
    "bars of a frame": ("pd.DataFrame({'a': [1], 'b': [3]}, index=['u']).plot.barh(stacked=True)", "bar", [
        bar("u", "a", 1), bar("u", "b", 3)
    ]),
    "bars with their errors": ("plt.bar(['a', 'b'], [1, 2], yerr=[.1, .2])", "bar", [
        bar("a", "Group 1", 1), bar("b", "Group 1", 2)
    ]),
    "means as bars": (f"sns.barplot({ROWS}, capsize=.2)", "bar", [bar("a", "Group 0", 12), bar("b", "Group 0", 5.4)]),
    "counts": ("sns.countplot(x=['a', 'b', 'a'])", "bar", [bar("a", "Group 0", 2), bar("b", "Group 0", 1)]),
    "pie": ("plt.pie([90, 10], labels=['x', 'y'], radius=2)", "pie", [
        {"label": "x", "angle": 324, "radius": 2}, {"label": "y", "angle": 36, "radius": 2}
    ]),
    "boxes": (f"plt.boxplot({SAMPLES}, tick_labels=['p', 'q'])", "box_and_whisker", BOXES),
    "boxes as patches": (f"plt.boxplot({SAMPLES}, tick_labels=['p', 'q'], patch_artist=True)", "box_and_whisker", BOXES),
    "boxes with notches": (f"plt.boxplot({SAMPLES}, tick_labels=['p', 'q'], notch=True)", "box_and_whisker", BOXES),
    "lying boxes": (f"plt.boxplot({SAMPLES}, tick_labels=['p', 'q'], orientation='horizontal')", "box_and_whisker", BOXES),
    "boxes with means": (f"plt.boxplot({SAMPLES}, tick_labels=['p', 'q'], showmeans=True)", "box_and_whisker", BOXES),
    "boxes without whiskers": ("plt.boxplot([[1, 1, 1], [2, 2, 2]])", "box_and_whisker", [
        box("1", 1, 1, 1, 1, 1), box("2", 2, 2, 2, 2, 2)
    ]),
    "boxes of no reach": ("plt.boxplot([[1, 2, 3, 4, 20]], whis=0, showcaps=False)", "box_and_whisker", [
        box("1", 2, 2, 3, 4, 4, outliers=(1, 20))
    ]),
    "boxes of seaborn": (f"sns.boxplot({ROWS})", "box_and_whisker", [
        box("a", 1, 2, 3, 4, 4, outliers=(50,)), box("b", 3, 4, 5, 6, 9)
    ]),
    "histogram": ("plt.hist([1, 2, 2, 3, 3, 3, 4], bins=[1, 2, 3, 5], label='h')", "histogram", [
        {"label": "h", "edges": [1, 2, 3, 5], "counts": [1, 2, 4]}
    ]),
    "lying histogram": ("plt.hist([1, 2, 2, 3], bins=[1, 2, 3], orientation='horizontal')", "histogram", [
        {"label": "Group 0", "edges": [1, 2, 3], "counts": [1, 3]}
    ]),
    "histogram of seaborn": ("sns.histplot([1, 2, 2, 3], bins=[1, 2, 3])", "histogram", [
        {"label": "Group 0", "edges": [1, 2, 3], "counts": [1, 3]}
    ]),
    "steps": ("plt.stairs([1, 2], [0, 1, 3], label='s')", "histogram", [
        {"label": "s", "edges": [0, 1, 3], "counts": [1, 2]}
    ]),
    "image": ("plt.imshow([[1, 2], [3, np.nan]]); plt.colorbar(label='deg')", "heatmap", [
        {"label": "deg", "x": [0, 1], "y": [0, 1], "values": [[1, 2], [3, None]]}
    ]),
    "image from below": ("plt.imshow([[1, 2]], origin='lower', extent=(0, 4, 10, 20))", "heatmap", [
        {"label": "Grid 0", "x": [1, 3], "y": [15], "values": [[1, 2]]}
    ]),
    "mesh": ("plt.pcolormesh([0, 1, 3], [0, 2, 4], [[1, 2], [3, 4]])", "heatmap", [
        {"label": "Grid 0", "x": [.5, 2], "y": [1, 3], "values": [[1, 2], [3, 4]]}
    ]),
    "heatmap of seaborn": (
        "sns.heatmap(pd.DataFrame([[1, 2]], index=['r'], columns=['c', 'd']), annot=True)", "heatmap",
        [{"label": "Grid 0", "x": ["c", "d"], "y": ["r"], "values": [[1, 2]]}],
    ),
    "area": ("plt.fill_between([1, 2], [3, 4], [5, 2], label='f')", "area", [line("f", [1, 3, 5], [2, 2, 4])]),
    "stacked areas": ("plt.stackplot([1, 2], [1, 2], [3, 4], labels=['k', 'l'])", "area", [
        line("k", [1, 0, 1], [2, 0, 2]), line("l", [1, 1, 4], [2, 2, 6])
    ]),
    "areas of a frame": ("pd.DataFrame({'a': [1, 2], 'b': [3, 4]}).plot.area()", "area", [
        line("a", [0, 0, 1], [1, 0, 2]), line("b", [0, 1, 4], [1, 2, 6])
    ]),
    "errorbar": ("plt.errorbar([1, 2], [3, 4], yerr=[.5, .25], xerr=.5, label='e', capsize=3)", "errorbar", [
        {**line("e", [1, 3], [2, 4]), "x_ranges": [[.5, 1.5], [1.5, 2.5]], "y_ranges": [[2.5, 3.5], [3.75, 4.25]]}
    ]),
    "some errorbars": ("plt.errorbar([1, 2], [3, 4], yerr=[1, 1], errorevery=2)", "errorbar", [
        {**line("Line 0", [1, 3], [2, 4]), "x_ranges": None, "y_ranges": [[2, 4], [None, None]]}
    ]),
    "errorbars alone": ("plt.errorbar([1], [3], yerr=1, fmt='none')", "errorbar", [
        {**line("Line 0", [1, 3]), "x_ranges": None, "y_ranges": [[2, 4]]}
    ]),
    "contours": ("plt.contourf([[1, 2], [3, 4]])", "unknown", []),
    "photograph": ("plt.imshow(np.zeros((2, 2, 3)))", "unknown", []),
    "in space": ("plt.subplot(projection='3d').plot([1, 2], [1, 2], [1, 2])", "unknown", []),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_tells_what_was_drawn(shared: TestKernel, name: str) -> None:
    """Type and elements; the title is null where there is none."""
    code, kind, elements = KINDS[name]
    chart = told(shared, code)
    assert (chart["type"], chart["title"], chart["elements"]) == (kind, None, elements)


def test_a_violin_tells_its_outline(shared: TestKernel) -> None:
    """From its least to its greatest value, as wide as it was drawn; seaborn's too."""
    chart = told(shared, "plt.violinplot([[1, 2, 3, 5], [2, 2, 3]], widths=.5, points=3)")
    first, second = chart["elements"]
    assert (chart["type"], first["label"], first["min"], first["max"]) == ("violin", "1", 1, 5)
    assert (second["label"], second["min"], second["max"]) == ("2", 2, 3)
    assert [value for value, _width in first["points"]] == [1, 3, 5]
    assert max(width for _value, width in first["points"]) == pytest.approx(0.5)
    assert [one["label"] for one in told(shared, f"sns.violinplot({ROWS})")["elements"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("plt.plot([1, 10]); plt.yscale('log')", ("linear", "log")),
        ("plt.plot([1, 10]); plt.xscale('symlog')", ("symlog", "linear")),
        ("plt.plot(['a', 'b'], [.1, .2]); plt.yscale('logit')", ("categorical", "logit")),
        ("plt.plot([1, 2]); plt.xscale('function', functions=(lambda x: x, lambda x: x))", ("function", "linear")),
        ("plt.plot([datetime.date(2024, 1, 1)] * 2, [1, 2]); plt.yscale('asinh')", ("datetime", "asinh")),
        ("plt.plot([0, 1, 2]); plt.xticks([0, 1, 2], ['a', 'b', 'c'])", ("linear", "linear")),
        ("pd.Series([1, 2], pd.date_range('2024', periods=2)).plot()", ("datetime", "linear")),
    ],
)
def test_scales_are_what_the_axes_are(shared: TestKernel, code: str, expected: tuple[str, str]) -> None:
    """Not guessed from the labels at the ticks."""
    chart = told(shared, code)
    assert (chart["x_scale"], chart["y_scale"]) == expected


def test_titles_labels_units_and_ticks_are_told(shared: TestKernel) -> None:
    """A unit stands in brackets at the end of its label."""
    chart = told(
        shared,
        "plt.plot([0, 10], [0, 5]); plt.title('T'); plt.xlabel('Way (min) (km)'); plt.ylabel('Cost [EUR]')\n"
        "plt.xticks([0, 5, 10]); plt.yticks([0, 5], ['none', 'much'])",
    )
    assert (chart["title"], chart["x_label"], chart["y_label"]) == ("T", "Way (min) (km)", "Cost [EUR]")
    assert (chart["x_unit"], chart["y_unit"]) == ("km", "EUR")
    assert (chart["x_ticks"], chart["x_tick_labels"]) == ([0, 5, 10], ["0", "5", "10"])
    assert (chart["y_ticks"], chart["y_tick_labels"]) == ([0, 5], ["none", "much"])


def test_ticks_of_an_earlier_layout_are_gone(shared: TestKernel) -> None:
    """An axis keeps those that it needed before."""
    chart = told(shared, "plt.plot([0, 100]); plt.tight_layout(); plt.xticks([0, 1]); plt.ylim(0, 1); plt.yticks([0])")
    assert (chart["x_ticks"], chart["y_ticks"]) == ([0, 1], [0])


def test_labels_of_lying_bars_change_places(shared: TestKernel) -> None:
    """x is where the names are, as for bars that stand."""
    chart = told(shared, "plt.barh(['a'], [3]); plt.xlabel('Value (m)'); plt.ylabel('Name')")
    assert (chart["x_label"], chart["x_unit"], chart["y_label"], chart["y_unit"]) == ("Name", None, "Value (m)", "m")


@pytest.mark.parametrize(
    ("code", "title", "kinds"),
    [
        ("f, a = plt.subplots(1, 2); a[0].plot([1, 2]); a[1].pie([1]); f.suptitle('S')", "S", ["line", "pie"]),
        ("f, a = plt.subplots(); a.bar(['x'], [1]); a.twinx().plot(['x'], [9])", None, ["bar", "line"]),
        ("plt.scatter([1], [2]); plt.plot([1, 2]); plt.title('T')", "T", ["line", "scatter"]),
        ("sns.histplot([1, 2, 2, 3, 9], kde=True)", None, ["histogram", "line"]),
        ("f, a = plt.subplots(1, 2); a[0].plot([1, 2]); a[1].contour([[1, 2], [3, 4]])", None, ["line", "unknown"]),
    ],
)
def test_several_charts_in_a_picture_are_a_superchart(
    shared: TestKernel, code: str, title: str | None, kinds: list[str]
) -> None:
    """In axes of their own or in one."""
    chart = told(shared, code)
    assert (chart["type"], chart["title"]) == ("superchart", title)
    assert [one["type"] for one in chart["elements"]] == kinds


@pytest.mark.parametrize(
    "code", ["plt.subplots(2, 2)[1][0, 0].plot([7])", "plt.imshow([[7]]); plt.colorbar()", "plt.plot([7]); plt.twinx()"]
)
def test_empty_axes_and_colour_bars_are_no_charts(shared: TestKernel, code: str) -> None:
    """One chart is left, and that is it."""
    assert told(shared, code)["type"] in ("line", "heatmap")


def test_a_figure_of_words_has_no_data(shared: TestKernel) -> None:
    """Nothing was plotted."""
    assert told(shared, "plt.figure().text(.5, .5, 'x')") is None


@pytest.mark.parametrize(
    "chart",
    [
        [-1.2345678901234567e-100] * 9,
        [-5e-324] * 9,
        [None, True, False] * 9,
        [[], {}] * 9,
        {"\x01": ["\x01\x1f", "\N{GRINNING FACE}", 'ä"\\\n'], "a": {"b": [[0.1, "2024-01-01"], [1e22, None]]}},
        {"": [{"": [[1.7976931348623157e308, -0.0]]}]},
    ],
)
def test_what_surely_fits_does(chart: Any) -> None:
    """A chart that is not measured is never larger than the limit."""
    size = len(json.dumps(chart, ensure_ascii=False).encode())
    assert not DataBudget(size - 1).surely_holds(chart)
    assert DataBudget(20 * size).surely_holds(chart)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 7, 10**400])
def test_what_may_have_no_json_is_never_sure_to_fit(value: Any) -> None:
    """Then making the JSON decides, as it does where the size is in doubt."""
    assert not DataBudget(ROOM).surely_holds({"elements": [[1.0, value]]})


@pytest.mark.parametrize(
    "code",
    [
        "plt.plot(np.arange(1e6))",
        "plt.imshow(np.zeros((600, 600)))",
        "plt.plot([1, 2], label='x' * 300_000)",
        "plt.scatter(np.random.rand(9000), np.random.rand(9000))",
    ],
)
def test_data_over_the_limit_is_left_out_and_says_so(shared: TestKernel, code: str) -> None:
    """The picture comes all the same."""
    assert told(shared, code) == {"leftOut": True}


def test_no_data_where_none_was_asked_for(shared: TestKernel) -> None:
    """By the run, or because the client is any Jupyter client."""
    assert told(shared, "plt.plot([1, 2])", chart_bytes=0) is None
    assert [MIME in data for data in bundles(shared.plain(HEAD + "plt.plot([1, 2])"))] == [False]


def test_a_figure_as_value_brings_its_data(shared: TestKernel) -> None:
    """The value of the last expression and display(), as PNG and as SVG."""
    free = "from matplotlib.figure import Figure\nf = Figure(); f.subplots().plot([1, 2]);"
    for code in (free + "\nf", free + "display(f)"):
        assert told(shared, code)["elements"] == [line("Line 0", [0, 1], [1, 2])]
        assert told(shared, code, inputs={"format": "svg"})["type"] == "line"


@pytest.mark.parametrize(
    "code",
    [
        "class L(Line2D):\n    def get_data(self, orig=True): return None, {0}\nax.add_line(L([1, 2], [3, 4]))",
        "class L(Line2D):\n    def get_xdata(self, orig=True): raise ValueError\nax.add_line(L([1, 2], [3, 4]))",
        "ax.get_title = None\nax.plot([1, 2])",
        "ax.plot([1, 2], label='a\\ud800b')",
    ],
)
def test_artists_of_the_caller_harm_nobody(shared: TestKernel, code: str) -> None:
    """A picture without data is still a picture."""
    chart = told(shared, "from matplotlib.lines import Line2D\nfig, ax = plt.subplots()\n" + code)
    assert chart["type"] in ("line", "unknown")
    json.dumps(chart, ensure_ascii=False).encode()


NUMBERS = st.one_of(
    st.integers(-5, 5), st.floats(-1e3, 1e3), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e308, -1e-308])
)
SIZES = st.integers(1, 6)
PARTS = (
    "ax.plot({x}, {y})", "ax.plot({names}, {y})", "ax.plot({days}, {y}, label='d')", "ax.scatter({x}, {y})",
    "ax.bar({names}, {y})", "ax.barh({x}, {y}, label='b')", "ax.bar({x}, {y}, width=1)", "ax.pie(np.abs({plain}))",
    "ax.boxplot([{y}, {plain}])", "ax.boxplot([{plain}], patch_artist=True, orientation='horizontal', notch=True)",
    "ax.hist({plain}, bins=3)", "ax.imshow([{y}, {y}])", "ax.pcolormesh([{y}, {y}])", "ax.fill_between({x}, {y})",
    "ax.fill_betweenx({x}, {y})", "ax.errorbar({x}, {y}, yerr=1)", "ax.violinplot([{plain}])", "ax.stem({y})",
    "ax.step({x}, {y})", "ax.hexbin({x}, {y})", "ax.stairs({y})", "ax.quiver({x}, {y})", "ax.axhline(1)",
    "ax.text(1, 1, 'x')", "ax.eventplot({y})", "ax.stackplot(range({n}), {plain})", "ax.table([['a']])",
    "ax.broken_barh([(1, 2)], (0, 1))",
)  # fmt: skip
STYLES = (
    "", "ax.set_xscale('log')", "ax.set_yscale('symlog')", "ax.set_yscale('logit')", "ax.axis('off')", "ax.invert_yaxis()",
    "ax = ax.twinx()", "ax.set_xticks([])", "ax.set_xticks([1, 2], ['a', ''])", "fig.suptitle('s')", "ax.legend()",
    "ax.set_xlim(1e-300, 1e300)", "ax.xaxis.set_visible(False)", "ax.set_title('t (u) [v]')", "ax.xaxis.set_ticks([np.nan])",
)  # fmt: skip
_DRAW = """
import json, warnings
warnings.simplefilter('ignore')
from kernels.python.shown.chart_data import reading
fig, ax = plt.subplots()
for step in steps:
    try: exec(step)
    except Exception: pass
try: fig.canvas.draw()
except Exception: drawn = []
else: drawn = fig.axes
for axes in drawn:
    for reader in reading.READERS:
        reader(reading.Sheet(axes, reading.DataBudget(10**9)))
print(json.dumps(reading.read(fig, room), allow_nan=False, ensure_ascii=False))
plt.close('all')
"""
"""Each reader is asked by itself, too: what it raises would be hidden."""


@st.composite
def figures(draw: st.DrawFn) -> list[str]:
    """Steps that draw a figure, from what people draw and from values they did not expect."""
    size = draw(SIZES)
    row = st.lists(NUMBERS, min_size=size, max_size=size)
    plain = draw(st.lists(st.integers(-9, 9), min_size=size, max_size=size))
    values = {
        "x": _written(draw(row)),
        "y": _written(draw(row)),
        "plain": str(plain),
        "names": repr([f"n{number}" for number in plain]),
        "days": f"[datetime.datetime(2024, 1, 1) + datetime.timedelta(days=d) for d in {plain}]",
        "n": str(size),
    }
    steps = draw(st.lists(st.one_of(st.sampled_from(PARTS), st.sampled_from(STYLES)), min_size=1, max_size=5))
    return [step.format_map(values) for step in steps]


def _written(numbers: list[float]) -> str:
    return "[" + ", ".join(f"float('{number!r}')" for number in numbers) + "]"


@pytest.mark.thorough
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=figures(), room=st.sampled_from([100, 1000, ROOM]))
def test_no_figure_makes_reading_fail(shared: TestKernel, steps: list[str], room: int) -> None:
    """Whatever is drawn, drawn or not: strict JSON, within the limit, or word that it is not."""
    reply = shared.run(f"{HEAD}steps, room = {steps!r}, {room}\n{_DRAW}", variables=False)
    assert reply.status == "ok", reply.content
    text = reply.text("stdout").strip().splitlines()[-1]
    chart = json.loads(text)
    assert chart in (None, {"leftOut": True}) or len(text.encode()) <= room, chart

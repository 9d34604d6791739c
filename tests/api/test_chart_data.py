"""Charts as data over HTTP: beside each picture once, and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.caller import Caller
from tests.live import Gateway

pytestmark = pytest.mark.kernel
PLT = "import matplotlib.pyplot as plt\n"
MIME = "application/vnd.omega.chart+json"


def data_of(answer: Any) -> Any:
    """The data of the only chart of *answer*."""
    assert answer["success"] is True, answer
    (chart,) = answer["charts"]
    assert chart["mimeType"] == "image/png"
    assert MIME not in json.dumps(answer)
    return chart["chartData"]


@pytest.mark.parametrize(
    ("code", "kind", "element"),
    [
        ("plt.plot(list('ab'), [2, 2])", "line", {"label": "Line 0", "points": [["a", 2], ["b", 2]]}),
        ("plt.scatter([1], [2], label='s')", "scatter", {"label": "s", "points": [[1, 2]]}),
        ("plt.bar(['A'], [1], label='n'); plt.tight_layout(); plt.show()", "bar", {"label": "A", "group": "n", "value": 1}),
        ("plt.pie([1], labels=['x'])", "pie", {"label": "x", "angle": 360, "radius": 1}),
        (
            "plt.boxplot([[1, 1, 1]])",
            "box_and_whisker",
            {
                "label": "1",
                "min": 1,
                "first_quartile": 1,
                "median": 1,
                "third_quartile": 1,
                "max": 1,
                "outliers": [],
            },
        ),
        ("plt.hist([1, 1, 2], bins=[1, 2, 3])", "histogram", {"label": "Group 0", "edges": [1, 2, 3], "counts": [2, 1]}),
        ("plt.imshow([[1, float('nan')]])", "heatmap", {"label": "Grid 0", "x": [0, 1], "y": [0], "values": [[1, None]]}),
        ("plt.fill_between([1], [2])", "area", {"label": "Area 0", "points": [[1, 0, 2]]}),
    ],
)
def test_each_kind_comes_beside_its_picture(caller: Caller, code: str, kind: str, element: dict[str, Any]) -> None:
    """As the API description promises it, which each answer here is held against."""
    chart = data_of(caller.python(PLT + code))
    assert (chart["type"], chart["elements"]) == (kind, [element])


def test_a_chart_run_and_a_session_have_it_too(caller: Caller) -> None:
    """The notebook of the session has the picture alone."""
    session = caller.post("sessions", {}).body["id"]
    answer = caller.post("chart", {"code": "plt.plot([1, 2])", "session": session}).body
    assert data_of(answer)["type"] == "line"
    assert answer["chart"] == answer["charts"][0]
    (cell,) = caller.get(f"sessions/{session}/notebook").body["cells"]
    (output,) = [one for one in cell["outputs"] if one["output_type"] == "display_data"]
    assert set(output["data"]) == {"image/png", "text/plain"}
    caller.gateway.ask("DELETE", f"/code-interpreter/sessions/{session}")


def test_a_figure_over_the_limit_comes_without_its_data(caller: Caller) -> None:
    """And says so; nothing of the run is missing otherwise."""
    answer = caller.python(PLT + "plt.plot(range(100_000))")
    assert data_of(answer) is None
    assert answer["charts"][0]["chartDataTruncated"] is True
    assert answer["truncated"] is False


@pytest.mark.parametrize("forged", ["{'type': 'line'}", "{'type': 'pie', 'title': 1, 'elements': []}", "'text'", "[[]]"])
def test_what_code_forges_is_no_data(caller: Caller, forged: str) -> None:
    """Nobody who reads the answer is surprised."""
    code = f"display({{'image/png': 'iVBORw0KGgo=', '{MIME}': {forged}}}, raw=True)"
    assert data_of(caller.python(code)) is None


def test_the_operator_switches_it_off(narrow: Gateway) -> None:
    """The picture stays."""
    assert data_of(Caller(narrow).python(PLT + "plt.plot([1, 2])")) is None

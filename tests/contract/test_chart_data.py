"""Charts as data, and what E2B's own extractor says of the same figures; where it is known to be wrong it is not asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.conftest import RunClient
from tests.live import Gateway

pytestmark = pytest.mark.kernel
FIGURES = {
    "line": "plt.plot([1, 2, 3], [4, 5, 7], label='a'); plt.xlabel('Time (s)'); plt.ylabel('Way [m]'); plt.title('T')",
    "lines": "plt.plot([1, 2, 3]); plt.plot([3, 2, 1]); plt.grid(True)",
    "log": "plt.plot([1, 10, 100], label='l'); plt.yscale('log')",
    "names": "plt.plot(['a', 'b', 'c'], [1, 5, 3], label='n')",
    "dates": (
        "import datetime\nplt.plot([datetime.datetime(2024, 1, day) for day in (1, 2, 5)], [1, 2, 4], label='d')\n"
        "plt.xticks([datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 5)])"
    ),
    "scatter": "plt.scatter([1, 2, 3], [4, 6, 5], label='s')",
    "bars": "plt.bar(['A', 'B'], [1, 2], label='n'); plt.ylabel('Way (km)')",
    "groups": (
        "plt.bar([-.2, .8], [1, 2], .4, label='A'); plt.bar([.2, 1.2], [3, 4], .4, label='B')\n"
        "plt.xticks([0, 1], ['g', 'h'])"
    ),
    "lying": "plt.barh(['A', 'B'], [1, 2]); plt.xlabel('Way (km)'); plt.ylabel('Name')",
    "pie": "plt.pie([90, 10], labels=['x', 'y']); plt.title('P')",
    "boxes": "plt.boxplot([[1, 2, 3, 4, 5, 20], [2, 3, 4, 5]], tick_labels=['p', 'q'], patch_artist=True)",
    "several": "f, a = plt.subplots(1, 2); a[0].plot([1, 2]); a[1].bar(['u', 'v'], [3, 4]); f.suptitle('S')",
}


def test_the_second_opinion_is_the_same(run_client: RunClient, gateway: Gateway) -> None:
    """Every field and every value, for the kinds that both know."""
    theirs = run_client("e2b_charts_read", json.dumps(FIGURES))
    for name, code in FIGURES.items():
        (chart,) = gateway.run(f"import matplotlib.pyplot as plt\n{code}")["charts"]
        assert plain(chart["chartData"]) == plain(theirs[name]), name


def plain(value: Any) -> Any:
    """*value* with what may differ made alike: the last digits, and whether UTC is named."""
    match value:
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case int() | float():
            return round(float(value), 6)
        case str():
            return value.removesuffix("+00:00")
        case _:
            return value

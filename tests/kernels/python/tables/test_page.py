"""Parts of tables in a real kernel: no code of the caller is run for them, and pandas would order and choose alike."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernels.python import hostile_values
from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel


def ask(kernel: TestKernel, name: str, *, sort: str = "", where: tuple[Any, ...] = (), rows: Any = (0, 100)) -> Any:
    """What the kernel tells of the first columns of a table; *where* is one condition."""
    keys = [{"column": key.removeprefix("-"), "descending": key.startswith("-")} for key in sort.split(",") if key]
    conditions = [dict(zip(("column", "operator", "value"), where, strict=True))] if where else []
    inputs = {"name": name, "rows": list(rows), "columns": [0, 50], "sort": keys, "where": conditions}
    reply = kernel.run(task="table", inputs=inputs)
    assert reply.status == "ok", reply.content
    return reply.metadata["omega"]["return_value"]


def test_a_table_runs_no_code_of_its_values(kernel: TestKernel) -> None:
    """Whatever is asked of it: subclasses, metaclasses, own columns, indexes and time zones, ``attrs``."""
    assert kernel.run(hostile_values.CLASSES).status == "ok"
    assert kernel.run(hostile_values.VALUES).status == "ok"
    told = {}
    for name in hostile_values.TABLES:
        told[name] = ask(kernel, name)
        for column in ("x", "o", "n", "value", "t", "c", "a", "b", "index", "0"):
            for turned in ("", "-"):
                ask(kernel, name, sort=turned + column)
            for condition in (("==", 3), ("<", "x"), ("!=", True), ("contains", "t"), ("in", [1, "t"]), ("is null", None)):
                ask(kernel, name, where=(column, *condition))
    assert kernel.run("calls").result["application/json"] == []
    shown = [
        *({"preview": "<Evil object>"}, {"preview": "<Text object>"}, {"preview": "<Number object>"}),
        *({"preview": "<Real object>"}, {"preview": "<List object>"}, {"preview": "<Dict object>"}),
    ]
    assert told["frame"]["page"]["data"] == [[n + 1.0, cell, n + 1] for n, cell in enumerate(shown)]
    assert told["series"]["page"]["data"] == told["cells"]["page"]["data"] == [[cell] for cell in shown]
    assert told["records"]["page"]["data"][:3] == [[shown[0], 1], [shown[1], 2], [3, 3]]
    for name in ("stamps", "own_cells"):
        assert told[name]["page"]["columns"][0]["type"] == "unknown"
        assert told[name]["page"]["data"] == [[{"preview": "<unknown>"}, n] for n in range(6)]
    assert told["chosen"]["page"]["data"][0] == [{"preview": "<Armed object>"}, 0]
    assert {told[name]["refused"]["code"] for name in ("labelled", "lettered", "own_frame")} == {"conflict"}
    assert "sort: column 'o' holds values of the types Dict, Evil, List, Number, Real" in str(ask(kernel, "frame", sort="o"))
    assert ask(kernel, "frame", sort="-x", where=("o", "!=", 3))["page"]["matched"] == 6


RANDOM = """
import numpy as np, pandas as pd
from kernels.python.tables import page
page.PIECE_ROWS = 1 << 16
made = np.random.default_rng(7)
n = 160_000
df = pd.DataFrame({
    "few": made.integers(-2, 3, n),
    "float": np.where(made.random(n) < 0.1, np.nan, made.integers(0, 1000, n) / 8),
    "unsigned": made.integers(0, 2**64, n, dtype="uint64"),
    "bytes": made.integers(-128, 128, n).astype("int8"),
    "half": made.random(n).astype("float16"),
    "truth": made.random(n) < 0.5,
    "text": made.integers(0, 5000, n).astype(str),
    "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(made.integers(0, 10**6, n), "s"),
    "group": pd.Categorical.from_codes(made.integers(-1, 3, n), ["c", "a", "b"]),
    "masked": pd.array(made.integers(0, 50, n), dtype="Int64"),
})
df.loc[made.integers(0, n, 1000), ["text", "when", "masked"]] = None
def ordered(by, ascending, frame=df):
    found = frame[by].astype({"group": "str"} if "group" in by else {})
    return found.sort_values(by, ascending=ascending, kind="stable", na_position="last").index
def part(order, start, stop):
    return [int(at) for at in order[start:stop]]
"""


@pytest.fixture(scope="module")
def random_table(shared: TestKernel) -> TestKernel:
    """A kernel with a table of every kind of column and of three pieces, which are smaller here than they are for others."""
    assert shared.run(RANDOM).status == "ok"
    return shared


ORDERS = (
    "few",
    "float",
    "unsigned",
    "bytes",
    "half",
    "truth",
    "text",
    "when",
    "group",
    "masked",
    "few,text",
    "truth,few,float",
)


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_is_that_of_pandas(random_table: TestKernel, order: str) -> None:
    """Of more rows than one piece, from the start, in the middle and at the end, both ways, ties and missing values too."""
    columns = order.split(",")
    for sign in ("", "-"):
        keys = ",".join(sign + column for column in columns)
        assert random_table.run(f"order = ordered({columns!r}, {sign == ''})").status == "ok"
        for start, stop in ((0, 7), (79_990, 80_010), (159_990, 160_000)):
            got = [label for (label,) in ask(random_table, "df", sort=keys, rows=(start, stop))["page"]["labels"]]
            wanted = random_table.run(f"part(order, {start}, {stop})").result["application/json"]
            assert got == wanted, (keys, start)


@pytest.mark.parametrize(
    ("where", "mask"),
    [
        (("float", "<=", 50), "df.float <= 50"),
        (("text", "contains", "99"), "df.text.str.contains('99', na=False)"),
        (("text", ">", "4990"), "df.text.notna() & (df.text.fillna('') > '4990')"),
        (("group", "==", "a"), "df.group == 'a'"),
        (("when", ">=", "2024-01-10"), "df.when >= '2024-01-10'"),
        (("masked", "!=", 3), "(df.masked != 3).fillna(False)"),
        (("unsigned", ">", {"digits": str(2**63)}), "df.unsigned > 2**63"),
        (("bytes", "in", [300, -5, 7]), "df.bytes.isin([-5, 7])"),
    ],
)
def test_a_condition_is_met_by_the_rows_of_pandas(random_table: TestKernel, where: tuple[Any, ...], mask: str) -> None:
    """All of them, in their order and in another."""
    assert random_table.run(f"chosen = df[{mask}]").status == "ok"
    page = ask(random_table, "df", where=where, rows=(1000, 1005))["page"]
    wanted = random_table.run("[len(chosen), *part(chosen.index, 1000, 1005)]").result["application/json"]
    assert [page["matched"], *(label for (label,) in page["labels"])] == wanted
    got = ask(random_table, "df", where=where, sort="-few,float", rows=(1000, 1005))["page"]["labels"]
    order = "ordered(['few', 'float'], [False, True], chosen)"
    wanted = random_table.run(f"part({order}, 1000, 1005)").result["application/json"]
    assert [label for (label,) in got] == wanted


def test_a_look_at_a_table_leaves_no_trace(kernel: TestKernel) -> None:
    """Neither in the names, nor on the streams, nor in the table; pandas keeps no numbers of rows for it either."""
    kernel.run(
        "import numpy as np, pandas as pd\ndf = pd.DataFrame({'x': [3, 1, 2], 'o': [1, None, 'a']})\nbefore = df.copy()"
    )
    inputs = {"name": "df", "rows": [0, 9], "columns": [0, 9], "sort": [{"column": "x", "descending": True}], "where": []}
    reply = kernel.run(task="table", inputs=inputs)
    assert reply.text() == ""
    assert reply.variables == {}
    seen = kernel.run("df.equals(before), '_data' in df.index._cache, sorted(n for n in globals() if not n.startswith('_'))")
    assert seen.result["application/json"][:2] == [True, False]
    assert {"before", "df"} <= set(seen.result["application/json"][2])
    assert seen.content["execution_count"] == 2

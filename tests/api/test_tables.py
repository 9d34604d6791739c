"""Tables of a session as data: which part is given, in which order, with which values, and what is refused."""

from __future__ import annotations

import concurrent.futures
import http.client
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.api.test_sessions import SESSIONS, Session, create, until
from tests.live import HANG_S, Gateway, Reply

pytestmark = pytest.mark.kernel

SET_UP = """
import datetime, decimal, numpy as np, pandas as pd
sales = pd.DataFrame({
    "day": pd.to_datetime(["2024-05-03", "2024-05-01", None, "2024-05-02T12:30:00"], format="ISO8601"),
    "city": ["Rome", "Oslo", None, "Rome"],
    "price": [9.5, float("nan"), 3.0, 7.25],
    "sold": [4, 2**60, 1, 3],
    "open": [True, False, True, True],
    "size": pd.Categorical(["S", "L", "S", None], ["S", "M", "L"], ordered=True),
    "left": pd.array([1, None, 3, 2], dtype="Int64"),
})
odd = pd.DataFrame({
    "mixed": [1, "one", 2.5, None],
    "nested": [[1, {"a": 2}], {"k": (1,)}, b"\\0\\xff", {3}],
    "exact": [decimal.Decimal("1.10"), decimal.Decimal("NaN"), decimal.Decimal(3), None],
    "days": [datetime.date(2024, 5, 2), None, datetime.date(2023, 1, 1), datetime.date(2024, 5, 1)],
    "waits": pd.to_timedelta(["2h", None, "1 day", "30min"]),
    "zoned": pd.to_datetime(["2024-01-01 10:00", "2024-07-01 10:00", None, "2024-07-01 09:00"]).tz_localize("Europe/Rome"),
    "inf": [float("inf"), -float("inf"), float("nan"), 1.0],
    "wide": [1 + 2j, 1j, 0, 3],
    "spans": pd.interval_range(0, 4),
}, index=pd.Index(["r1", "r2", "r3", "r4"], name="row"))
levels = pd.DataFrame({("a", 1): [1, 2, 3], ("a", 2): [4, 5, 6]},
    index=pd.MultiIndex.from_tuples([("x", 1), ("y", 1), ("x", 0)], names=["letter", None]))
twice = pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"])
series = pd.Series([3, 1, 2], index=[10, 20, 30], name="n")
unnamed = pd.Series(["b", "a"])
grid = np.arange(12).reshape(4, 3)
line = np.array(["2024-01-02", "NaT", "2024-01-01"], "datetime64[D]")
cube = np.zeros((2, 2, 2))
points = np.array([(1, 2.5), (3, 4.5)], [("x", "i4"), ("y", "f8")])
records = [{"a": 1, "b": "x"}, {"b": "y", "c": None}, {"a": 3}]
empty = pd.DataFrame({"a": []})
halves = pd.DataFrame({"h\\udcff": ["x\\udcff"]}, index=pd.Index(["i\\udcff"], name="n\\udcff"))
half_records = [{"h\\udcff": "x\\udcff"}]
number, words = 5, ["a", "b"]
_private = sales
big = pd.DataFrame({"n": np.arange(1_000_000) * 7 % 1_000_003, "s": (np.arange(1_000_000) % 1000).astype(str)})
long = pd.DataFrame({"text": ["x" * 5000] * 1000, "n": range(1000)})
wide = pd.DataFrame(np.zeros((30, 1500), int))
"""


@pytest.fixture(scope="module")
def session(gateway: Gateway) -> Iterator[Session]:
    """A session with tables of every kind."""
    made = create(gateway)
    answer = made.run(SET_UP)
    assert answer["success"], answer
    yield made
    made.ask("DELETE")


def ask(session: Session, name: str, **parts: str) -> Reply:
    """The answer about a part of the table *name*."""
    return session.ask("GET", f"/variables/{quote(name, safe='')}?{urlencode(parts)}")


def page(session: Session, name: str, **parts: str) -> Any:
    """A part of the table *name* that is there."""
    reply = ask(session, name, **parts)
    assert reply.status == 200, reply
    assert reply.body["success"], reply
    return reply.body


def column(session: Session, name: str, wanted: str, **parts: str) -> list[Any]:
    """The values of one column."""
    return [row[0] for row in page(session, name, columns=wanted, **parts)["data"]]


def message(session: Session, name: str, status: int, **parts: str) -> str:
    """What is said of a part that can't be had."""
    reply = ask(session, name, **parts)
    assert reply.status == status, reply
    return str(reply.body["error"]["message"])


def test_a_page_has_types_shape_index_and_strict_values(session: Session) -> None:
    """Of every kind of column; what is missing is null, whole numbers that readers would round are text."""
    assert page(session, "sales") == {
        "success": True,
        "error": None,
        "name": "sales",
        "type": "DataFrame",
        "shape": [4, 7],
        "matched": 4,
        "start": 0,
        "columns": [
            {"name": "day", "type": "datetime64[us]", "position": 0},
            {"name": "city", "type": "str", "position": 1},
            {"name": "price", "type": "float64", "position": 2},
            {"name": "sold", "type": "int64", "position": 3},
            {"name": "open", "type": "bool", "position": 4},
            {"name": "size", "type": "category", "position": 5},
            {"name": "left", "type": "Int64", "position": 6},
        ],
        "index": [{"name": "index", "type": "int64"}],
        "labels": [[0], [1], [2], [3]],
        "data": [
            ["2024-05-03T00:00:00", "Rome", 9.5, 4, True, "S", 1],
            ["2024-05-01T00:00:00", "Oslo", None, str(2**60), False, "L", None],
            [None, None, 3.0, 1, True, "S", 3],
            ["2024-05-02T12:30:00", "Rome", 7.25, 3, True, None, 2],
        ],
        "cut": [],
        "truncated": False,
        "kernelReplaced": False,
    }


def test_values_without_a_form_in_json_are_previews(session: Session) -> None:
    """And are told from text by that."""
    answer = page(session, "odd")
    assert (answer["index"], answer["labels"]) == ([{"name": "row", "type": "str"}], [["r1"], ["r2"], ["r3"], ["r4"]])
    assert answer["cut"] == ["cells"]
    assert answer["data"] == [
        [
            *(1, {"preview": "[1, {'a': 2}]"}, "1.10", "2024-05-02", "0 days 02:00:00", "2024-01-01T10:00:00+01:00"),
            *(None, "(1+2j)", "(0, 1]"),
        ],
        ["one", {"preview": "{'k': (1,)}"}, "NaN", None, None, "2024-07-01T10:00:00+02:00", None, "1j", "(1, 2]"],
        [2.5, {"base64": "AP8="}, "3", "2023-01-01", "1 days 00:00:00", None, None, "0j", "(2, 3]"],
        [
            *(None, {"preview": "{3}"}, None, "2024-05-01", "0 days 00:30:00", "2024-07-01T09:00:00+02:00"),
            *(1.0, "(3+0j)", "(3, 4]"),
        ],
    ]


def test_other_tables(session: Session) -> None:
    """Several levels of names, series, arrays, records; rows are numbered where nothing names them."""
    levels = page(session, "levels")
    assert [each["name"] for each in levels["columns"]] == ["a, 1", "a, 2"]
    assert [each["name"] for each in levels["index"]] == ["letter", "level_1"]
    assert (levels["labels"], levels["data"]) == ([["x", 1], ["y", 1], ["x", 0]], [[1, 4], [2, 5], [3, 6]])
    assert page(session, "levels", sort="letter,-level_1")["labels"] == [["x", 1], ["x", 0], ["y", 1]]
    assert page(session, "levels", where='letter == "x"', columns='"a, 2"')["data"] == [[4], [6]]
    series = page(session, "series", sort="n")
    assert (series["type"], series["shape"], series["columns"]) == (
        "Series",
        [3],
        [{"name": "n", "type": "int64", "position": 0}],
    )
    assert (series["labels"], series["data"]) == ([[20], [30], [10]], [[1], [2], [3]])
    assert column(session, "unnamed", "value", sort="value") == ["a", "b"]
    grid = page(session, "grid", columns="1:", sort="-2", rows="1:3")
    assert (grid["type"], grid["shape"], grid["start"]) == ("ndarray", [4, 3], 1)
    assert [(each["name"], each["position"]) for each in grid["columns"]] == [("1", 1), ("2", 2)]
    assert (grid["labels"], grid["data"]) == ([[2], [1]], [[7, 8], [4, 5]])
    assert column(session, "line", "value", sort="value") == ["2024-01-01T00:00:00", "2024-01-02T00:00:00", None]
    assert page(session, "points", where="y > 3")["data"] == [[3, 4.5]]
    records = page(session, "records")
    assert (records["type"], [each["name"] for each in records["columns"]]) == ("list", ["a", "b", "c"])
    assert records["data"] == [[1, "x", None], [None, "y", None], [3, None, None]]
    assert page(session, "empty", sort="a", where="a > 1") | {"columns": []} == page(session, "empty") | {"columns": []}


def test_columns_by_number_and_by_name(session: Session) -> None:
    """In the order asked for, twice where asked twice; a range goes only as far as there are any."""
    assert page(session, "sales", columns="open,city,open", rows=":1")["data"] == [[True, "Rome", True]]
    assert [each["name"] for each in page(session, "sales", columns="5:99")["columns"]] == ["size", "left"]
    assert page(session, "sales", columns="9:")["data"] == [[], [], [], []]
    assert page(session, "twice", columns="1:3")["data"] == [[2, 3]]


def test_rows_in_order(session: Session) -> None:
    """Missing ones last whichever way; by several columns; ties stay as they were; categories in their own order."""
    assert column(session, "sales", "sold", sort="price") == [1, 3, 4, str(2**60)]
    assert column(session, "sales", "sold", sort="-price") == [4, 3, 1, str(2**60)]
    assert column(session, "sales", "sold", sort="city,-price") == [str(2**60), 4, 3, 1]
    assert column(session, "sales", "sold", sort="-city,price") == [3, 4, str(2**60), 1]
    assert column(session, "sales", "sold", sort="-size") == [str(2**60), 4, 1, 3]
    assert column(session, "sales", "sold", sort="-day") == [4, 3, str(2**60), 1]
    assert column(session, "sales", "left", sort="-left") == [3, 2, 1, None]
    assert column(session, "sales", "sold", sort="open") == [str(2**60), 4, 1, 3]
    assert column(session, "sales", "sold", sort="-index") == [3, 1, str(2**60), 4]
    assert column(session, "odd", "exact", sort="-exact") == ["3", "1.10", "NaN", None]
    assert column(session, "odd", "days", sort="days") == ["2023-01-01", "2024-05-01", "2024-05-02", None]
    assert column(session, "odd", "waits", sort="waits") == ["0 days 00:30:00", "0 days 02:00:00", "1 days 00:00:00", None]
    assert [row[0] for row in page(session, "odd", sort="-row", columns=":0")["labels"]] == ["r4", "r3", "r2", "r1"]
    assert column(session, "odd", "inf", sort="inf") == [None, 1.0, None, None]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("price > 5", [0, 3]),
        ("price <= 7.25 and open == true", [2, 3]),
        ("price != 3", [0, 3]),
        ("price is null", [1]),
        ("price is not null and left >= 2", [2, 3]),
        ("sold == 1152921504606846976", [1]),
        ("sold == 3.0", [3]),
        ("sold > 99999999999999999999", []),
        ('city == "Rome"', [0, 3]),
        ('city != "Rome"', [1]),
        ('city contains "om"', [0, 3]),
        ('city >= "P"', [0, 3]),
        ("city is null", [2]),
        ('city in ["Oslo", "Rome"]', [0, 1, 3]),
        ("sold in [1, 4]", [0, 2]),
        ('size == "S"', [0, 2]),
        ('size in ["L", "M"]', [1]),
        ("size is null", [3]),
        ('day >= "2024-05-02"', [0, 3]),
        ('day == "2024-05-02T12:30"', [3]),
        ("day is null", [2]),
        ("open != true", [1]),
        ("index in [1, 2]", [1, 2]),
    ],
)
def test_conditions(session: Session, where: str, rows: list[int]) -> None:
    """What is missing meets none but 'is null'."""
    answer = page(session, "sales", where=where)
    assert [label for (label,) in answer["labels"]] == rows
    assert (answer["matched"], answer["shape"]) == (len(rows), [4, 7])


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("mixed > 1", ["r3"]),
        ('mixed == "one"', ["r2"]),
        ("mixed != 1", ["r2", "r3"]),
        ("mixed is null", ["r4"]),
        ("exact >= 1.1", ["r3"]),
        ("exact <= 3", ["r1", "r3"]),
        ('days > "2023-12-31"', ["r1", "r4"]),
        ('waits < "3h"', ["r1", "r4"]),
        ('zoned > "2024-07-01 09:30"', ["r2"]),
        ('zoned == "2024-01-01T09:00Z"', ["r1"]),
        ("inf > 1", ["r1"]),
        ("inf is null", ["r3"]),
        ("spans is not null", ["r1", "r2", "r3", "r4"]),
        ('row contains "2"', ["r2"]),
    ],
)
def test_conditions_on_rarer_columns(session: Session, where: str, rows: list[str]) -> None:
    """Values of another kind than the one asked for are unequal to it, and neither less nor greater."""
    assert [label for (label,) in page(session, "odd", where=where)["labels"]] == rows


@pytest.mark.parametrize(
    ("name", "status", "parts", "sentence"),
    [
        ("nothing", 404, {}, "The session has no variable of this name."),
        ("_private", 404, {}, "The session has no variable of this name."),
        ("__builtins__", 404, {}, "The session has no variable of this name."),
        ("Out", 404, {}, "The session has no variable of this name."),
        ("number", 409, {}, "It is of the type int: tables are DataFrames, Series, arrays of one or two dimensions and"),
        ("words", 409, {}, "It is a list of something else than dicts: tables are"),
        ("cube", 409, {}, "It is an array of 3 dimensions: tables are"),
        ("np", 404, {}, "The session has no variable of this name."),
        ("sales", 400, {"columns": "city,cty"}, "columns: there is no column 'cty'."),
        ("sales", 400, {"sort": "-prise"}, "sort: there is no column 'prise'."),
        ("sales", 400, {"where": "0 > 1"}, "where: there is no column '0'."),
        ("twice", 400, {"sort": "a"}, "sort: there are 2 columns called 'a'."),
        ("sales", 400, {"where": 'price > "5"'}, "where: column 'price' holds numbers: compare it with a number."),
        ("sales", 400, {"where": "price == true"}, "where: column 'price' holds numbers: compare it with a number."),
        ("sales", 400, {"where": "open == 1"}, "where: column 'open' holds truth values: compare it with true or false."),
        ("sales", 400, {"where": "city == 1"}, "where: column 'city' holds text: compare it with text in double quotes."),
        ("sales", 400, {"where": 'day > "May 3"'}, "where: column 'day' holds dates: compare it with one in double quotes,"),
        ("sales", 400, {"where": 'day > "2024-02-31"'}, "where: column 'day' holds dates: compare it with one"),
        ("sales", 400, {"where": 'day > "2024-02-01Z"'}, "where: column 'day' holds dates"),
        ("sales", 400, {"where": 'price contains "5"'}, "where: column 'price' holds numbers: compare it with a number."),
        ("odd", 400, {"where": 'zoned > "2024-03-31 02:30"'}, "where: column 'zoned' holds dates: compare it with one"),
        ("odd", 400, {"where": 'waits > "soon"'}, "where: column 'waits' holds lengths of time: compare it with one in"),
        ("odd", 400, {"where": "spans > 1"}, "where: column 'spans' holds values that can only be asked for 'is null'"),
        ("odd", 400, {"sort": "mixed"}, "sort: column 'mixed' holds values of the types float, int, str: only text,"),
        ("odd", 400, {"sort": "nested"}, "sort: column 'nested' holds values of the types bytes, dict, list, set:"),
        ("odd", 400, {"sort": "wide"}, "sort: column 'wide' holds values that have no order here"),
        ("sales", 400, {"rows": "0-5"}, "rows must be a range such as 0:100, 100: or :20, not '0-5'."),
        ("sales", 400, {"where": "price > 1 or 1"}, "where: 'and' or the end should come at character 11, not 'or 1'."),
        ("sales", 400, {"limit": "5"}, "Unknown parameter 'limit': use rows, columns, sort, where, format."),
    ],
)  # fmt: skip
def test_what_can_not_be_had_is_told(session: Session, name: str, status: int, parts: dict[str, str], sentence: str) -> None:
    """With the part that is wrong, and what it is made for."""
    assert message(session, name, status, **parts).startswith(sentence)


def test_a_million_rows(session: Session) -> None:
    """Any page, in any order, with any condition; beyond the end there is nothing."""
    order = {i * 7 % 1_000_003: i for i in range(1_000_000)}
    by_n = sorted(order)
    answer = page(session, "big", sort="n", rows="500000:500003")
    assert answer["data"] == [[n, str(order[n] % 1000)] for n in by_n[500_000:500_003]]
    assert column(session, "big", "n", sort="-n", rows=":3") == by_n[:-4:-1]
    answer = page(session, "big", where='s == "77" and n < 5000', sort="-n", rows="1:3")
    expected = sorted((n for n, i in order.items() if i % 1000 == 77 and n < 5000), reverse=True)
    assert (answer["matched"], [row[0] for row in answer["data"]]) == (len(expected), expected[1:3])
    assert page(session, "big", rows="999999:")["labels"] == [[999_999]]
    assert page(session, "big", rows="1000000:2000000")["data"] == []
    assert column(session, "big", "s", sort="s,-n", rows=":2") == ["0", "0"]


def test_a_table_is_had_as_csv(session: Session) -> None:
    """With the same rows, columns, order and conditions. A long one says where it ends."""
    session.run("import pandas as pd\nsold = pd.DataFrame({'day': ['b, c', '=1+1', 'é\\n'], 'n': [1.5, None, 3]})")
    query = urlencode({"format": "csv", "sort": "-n", "where": "n is not null", "columns": "n,day"})
    headers, body = _fetched(session, f"sold?{query}")
    assert body == 'index,n,day\r\n2,3.0,"é\n"\r\n0,1.5,"b, c"\r\n'.encode()
    assert (headers["X-Table-Matched"], headers["X-Table-Cut"]) == ("2", "none")
    session.run("many = pd.Series(range(15_000))")
    headers, body = _fetched(session, "many", accept="text/csv")
    stop = int(headers["X-Table-Rows"].removeprefix("0:"))
    assert (headers["X-Table-Cut"], len(body.splitlines())) == ("rows", stop + 1)
    rest = _fetched(session, f"many?format=csv&rows={stop}:")[1].splitlines()
    assert (rest[1], stop + len(rest) - 1) == (f"{stop},{stop}".encode(), 15_000)


def _fetched(session: Session, address: str, *, accept: str = "*/*") -> tuple[Mapping[str, str], bytes]:
    """Headers and body of the answer about a variable."""
    connection = http.client.HTTPConnection("127.0.0.1", session.gateway.port, timeout=HANG_S)
    sent = {"Authorization": f"Bearer {session.gateway.token}", "Accept": accept}
    connection.request("GET", f"{SESSIONS}/{session.id}/variables/{address}", headers=sent)
    answer = connection.getresponse()
    try:
        assert answer.status == 200
        return dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_a_page_is_bounded_and_says_what_is_cut(session: Session) -> None:
    """In values, in characters, in columns and in the length of a text; *start* and the rows given tell where to go on."""
    whole = page(session, "big", rows=":")
    assert (whole["cut"], whole["truncated"], whole["matched"]) == (["rows"], True, 1_000_000)
    assert 5_000 < len(whole["data"]) <= 20_000
    texts = page(session, "long", rows=":1000")
    assert texts["cut"] == ["cells", "rows"]
    assert texts["data"][0] == [{"preview": "x" * 2000}, 0]
    assert 400 < len(texts["data"]) < 1000
    after = page(session, "long", rows=f"{len(texts['data'])}:1000")
    assert after["data"][0][1] == len(texts["data"])
    many = page(session, "wide", columns=":")
    assert (many["cut"], len(many["columns"]), many["shape"]) == (["columns", "rows"], 1000, [30, 1500])
    assert page(session, "wide")["cut"] == []


def test_a_table_waits_for_a_run_as_variables_do(session: Session) -> None:
    """For five seconds; then the session is busy. It is no run of the session, and does not end the one that goes on."""
    count = session.ask("GET").body["executionCount"]
    with concurrent.futures.ThreadPoolExecutor() as threads:
        running = threads.submit(session.run, "import time\ntime.sleep(7)\nslept = sales")
        session.wait_for("busy")
        reply = ask(session, "sales")
        assert (reply.status, reply.body["error"]["code"]) == (503, "busy")
        assert column(session, "slept", "sold", rows=":1") == [4]
        assert running.result()["success"]
    assert session.ask("GET").body["executionCount"] == count + 1


def test_an_open_page_keeps_no_session_alive(gateway: Gateway) -> None:
    """Variables, files and tables are looked at again and again, and the session ends all the same."""
    made = create(gateway, idleTimeout=1500)
    made.run("table = [{'a': 1}]")

    def has_ended() -> bool:
        return [made.ask("GET", path).status for path in ("/variables", "/files", "/variables/table")][-1] == 410

    until(has_ended)


HOSTILE = """
import kernels.python.tables.page as inner
table = [{'a': 1}]
def loop(*_):
    while True: pass
page = {'type': 'x', 'shape': [1], 'matched': 1, 'start': 0, 'columns': [{'name': 'a', 'type': 'b'}], 'index': [], 'cut': []}
def lie(value): inner.answer = lambda *_: value
"""


@pytest.mark.parametrize(
    "value",
    [
        *("None", "5", "'x' * 10**6", "{'page': {}}", "{'refused': {'code': 'gone', 'message': 'x'}}", "[[]] * 150_000"),
        "{'page': {**page, 'labels': [[]], 'data': [[{'html': '<script>'}]]}}",
        "{'page': {**page, 'labels': [[]] * 90_000, 'data': [[1]] * 90_000}}",
        "{'page': {**page, 'labels': [[]] * 10**6, 'data': [[1]] * 10**6}}",
        "{'page': {**page, 'labels': [[]], 'data': [[float('nan')] * 2]}}",
        "{'page': {**page, 'labels': [[]], 'data': [[" + "[" * 100 + "]" * 100 + "]]}}",
    ],
)
def test_a_kernel_that_lies_about_its_tables_is_not_believed(gateway: Gateway, value: str) -> None:
    """What is no table is told as an error of the look; the session goes on."""
    made = create(gateway)
    assert made.run(f"{HOSTILE}lie({value})")["success"]
    reply = ask(made, "table")
    assert (reply.status, reply.body["success"], reply.body["error"]["type"]) == (200, False, "TableError")
    assert "data" not in reply.body
    assert made.value("1 + 1") == 2
    made.ask("DELETE")


def test_texts_that_are_no_unicode_are_mended(session: Session) -> None:
    """Halves of characters in values, names and labels: the kernel could not send them."""
    for name in ("halves", "half_records"):
        answer = page(session, name, sort="h?", where="h? is not null")
        assert [each["name"] for each in answer["columns"]] == ["h?"]
        assert answer["data"] == [["x?"]]
    assert page(session, "halves")["labels"] == [["i?"]]


def test_a_look_that_never_ends_is_interrupted(gateway: Gateway) -> None:
    """After five seconds; what the session has is kept."""
    made = create(gateway)
    assert made.run(f"{HOSTILE}kept, inner.answer = 41, loop")["success"]
    answer = ask(made, "table").body
    assert (answer["success"], answer["error"]["type"], answer["kernelReplaced"]) == (False, "TimeoutError", False)
    assert made.value("kept + 1") == 42
    made.ask("DELETE")


def test_other_keys_and_other_languages_have_no_tables(gateway: Gateway) -> None:
    """404 for a session that is not there, 409 for one of JavaScript."""
    assert gateway.ask("GET", "/code-interpreter/sessions/none/variables/x").status == 404
    made = create(gateway, language="javascript")
    assert message(made, "x", 409) == "The session is a javascript session: only Python sessions have tables."
    made.ask("DELETE")

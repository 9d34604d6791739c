"""The analyze task: right numbers or a clear error. Expected numbers are worked out by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.kernels.python.harness import Reply, TestKernel

pytestmark = pytest.mark.kernel
PEOPLE = [
    {"name": "Alice", "age": 25, "score": 85},
    {"name": "Bob", "age": 30, "score": 92},
    {"name": "Charlie", "age": 35, "score": 78},
]


def analyze(kernel: TestKernel, kind: str, data: Any, form: str = "records") -> Reply:
    """The reply to one analysis."""
    return kernel.run("", "analyze", {"analysisType": kind, "format": form, "data": data})


def numbers(kernel: TestKernel, kind: str, data: Any, form: str = "records") -> dict[str, Any]:
    """The JSON of one analysis."""
    reply = analyze(kernel, kind, data, form)
    assert reply.status == "ok", reply.content
    answer = reply.result["application/json"]
    json.dumps(answer, allow_nan=False)
    return dict(answer)


def test_a_summary_describes_types_and_missing_values(shared: TestKernel) -> None:
    """The guide's own data: 25, 30, 35 have mean 30 and deviation 5; 85, 92, 78 have mean 85 and deviation 7."""
    reply = analyze(shared, "summary", PEOPLE)
    assert reply.text().startswith(
        "\nData Summary:\n        age  score\ncount   3.0    3.0\nmean   30.0   85.0\nstd     5.0    7.0\n"
    )
    assert "\nData Types:\nname" in reply.text()
    assert "\nMissing Values:\nname     0\nage      0\nscore    0\n" in reply.text()
    found = reply.result["application/json"]
    assert found["describe"]["age"] == {
        "count": 3, "mean": 30, "std": 5, "min": 25, "25%": 27.5, "50%": 30, "75%": 32.5, "max": 35,
    }  # fmt: skip
    assert found["describe"]["score"]["std"] == 7
    assert found["dtypes"]["age"] == "int64"
    assert found["missing"] == {"name": 0, "age": 0, "score": 0}
    assert found["rows"] == 3
    assert found["columns"] == ["name", "age", "score"]


def test_a_correlation_matrix_has_ones_on_its_diagonal(shared: TestKernel) -> None:
    """y = 2x correlates 1, z = -x correlates -1; ages 25, 30, 35 with scores 85, 92, 78 give -35 / (5 * 7 * 2) = -0.5."""
    found = numbers(shared, "correlation", {"x": [1, 2, 3], "y": [2, 4, 6], "z": [3, 2, 1]}, "columns")["correlation"]
    assert found["x"]["x"] == pytest.approx(1)
    assert found["x"]["y"] == pytest.approx(1)
    assert found["x"]["z"] == pytest.approx(-1)
    reply = analyze(shared, "correlation", PEOPLE)
    assert reply.text().startswith("\nCorrelation Matrix:\n       age  score\nage    1.0   -0.5\nscore -0.5    1.0\n")


def test_statistics_of_each_numeric_column(shared: TestKernel) -> None:
    """1, 2, 3, 6: mean 3, median 2.5, squares of deviations 4 + 1 + 0 + 9 = 14, over 3, root."""
    reply = analyze(shared, "stats", [{"v": n, "t": "x"} for n in (6, 1, 3, 2)])
    found = reply.result["application/json"]["stats"]
    assert list(found) == ["v"]
    assert found["v"]["mean"] == 3
    assert found["v"]["median"] == 2.5
    assert found["v"]["std"] == pytest.approx(math.sqrt(14 / 3))
    assert (found["v"]["min"], found["v"]["max"]) == (1, 6)
    assert "\nv:\n  mean: 3\n  median: 2.5\n  std: 2.160246899\n  min: 1\n  max: 6\n" in reply.text()


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("records", [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 6, "b": None}]),
        ("columns", {"a": [1, 2, 6], "b": ["x", "y", None]}),
        ("csv", "a,b\n1,x\n2,y\n6,\n"),
    ],
)
def test_the_three_formats_say_the_same(shared: TestKernel, form: str, data: Any) -> None:
    """Records, columns and CSV text of one table give one answer."""
    found = numbers(shared, "summary", data, form)
    assert found["describe"]["a"]["mean"] == 3
    assert found["dtypes"] == {"a": "int64", "b": "str"}
    assert found["missing"] == {"a": 0, "b": 1}


def test_missing_numbers_are_left_out_of_the_sums(shared: TestKernel) -> None:
    """1, missing, 3: count 2, mean 2, deviation root of 2."""
    found = numbers(shared, "summary", [{"v": 1}, {"v": None}, {}, {"v": 3}])
    assert found["describe"]["v"]["count"] == 2
    assert found["describe"]["v"]["mean"] == 2
    assert found["describe"]["v"]["std"] == pytest.approx(math.sqrt(2))
    assert found["missing"]["v"] == 2
    lone = numbers(shared, "stats", [{"v": 5}])["stats"]["v"]
    assert lone == {"mean": 5, "median": 5, "std": None, "min": 5, "max": 5}
    assert numbers(shared, "correlation", [{"v": 1, "w": 1}])["correlation"]["v"]["w"] is None


def test_dates_texts_truth_values_and_nested_values_have_their_types(shared: TestKernel) -> None:
    """Only ISO dates are dates; truth values are not numbers; anything else is described as text."""
    data = [
        {"when": "2024-01-31", "yes": True, "who": "A", "nested": {"x": 1}, "mixed": 1},
        {"when": "2024-02-29", "yes": False, "who": "B", "nested": [1, 2], "mixed": "two"},
    ]
    found = numbers(shared, "summary", data)
    assert found["dtypes"]["when"].startswith("datetime64")
    assert (found["dtypes"]["yes"], found["dtypes"]["who"], found["dtypes"]["mixed"]) == ("bool", "str", "object")
    assert found["describe"]["who"]["count"] == 2
    assert found["describe"]["yes"]["unique"] == 2
    assert found["describe"]["nested"]["unique"] == 2
    assert found["describe"]["when"]["min"] == "2024-01-31T00:00:00"
    assert numbers(shared, "summary", [{"d": "2024-13-45"}])["dtypes"]["d"] == "str"
    assert numbers(shared, "summary", [{"d": "2024-01-01"}, {"d": None}])["missing"]["d"] == 1


def test_a_summary_without_numbers_counts_values(shared: TestKernel) -> None:
    """Text only: count, distinct values, the most frequent and how often."""
    found = numbers(shared, "summary", [{"t": "a"}, {"t": "b"}, {"t": "a"}])
    assert found["describe"]["t"] == {"count": 3, "unique": 2, "top": "a", "freq": 2}


def test_large_integers_are_exact_or_refused(shared: TestKernel) -> None:
    """64-bit integers stay integers; beyond that they are floats; beyond floats it is an error."""
    found = numbers(shared, "stats", [{"v": 2**60}, {"v": 2**60}])["stats"]["v"]
    assert found["min"] == 2**60
    assert numbers(shared, "stats", [{"v": 10**30}])["stats"]["v"]["max"] == pytest.approx(1e30)
    reply = analyze(shared, "stats", [{"v": 10**400}])
    assert (reply.content["ename"], reply.content["evalue"]) == (
        "DataError",
        "Column 'v' holds an integer too large to calculate with",
    )


@pytest.mark.parametrize(
    ("kind", "form", "data", "message"),
    [
        ("summary", "records", [], "The data is empty"),
        ("summary", "records", [{}, {}], "The data is empty"),
        ("summary", "columns", {}, "The data is empty"),
        ("summary", "columns", {"a": []}, "The data is empty"),
        ("summary", "csv", "", "The data is empty"),
        ("summary", "csv", "a,b\n", "The data is empty"),
        ("summary", "records", {"a": 1}, "Records must be a list of objects"),
        ("summary", "records", [1, 2], "Row 0 is not an object but int"),
        ("summary", "records", None, "Records must be a list"),
        ("summary", "columns", [1], "Columns must be an object of lists"),
        ("summary", "columns", {"a": 1}, "Column 'a' is not a list but int"),
        ("summary", "columns", {"a": [1], "b": [1, 2]}, "Columns differ in length: 'a' has 1, 'b' has 2"),
        ("summary", "csv", 5, "CSV data must be text"),
        ("summary", "csv", 'a,b\n"1,2\n', "The CSV text can't be read"),
        ("summary", "csv", "a\n1,2\n1,2,3\n", "Line 2 of the CSV text has 2 fields, but the header has 1"),
        ("summary", "csv", "a,b\n1,2,3\n4,5,6\n", "Line 2 of the CSV text has 3 fields, but the header has 2"),
        ("summary", "csv", "a,b\n1,2,3\n1,2\n", "Line 2 of the CSV text has 3 fields, but the header has 2"),
        ("summary", "csv", 'a,b\n1,"x\ny"\n1,2,\n', "Line 4 of the CSV text has 3 fields, but the header has 2"),
        ("summary", "csv", "a;b\n1;2;3\n", "Line 2 of the CSV text has 3 fields, but the header has 2"),
        ("summary", "csv", '[{"a": 1}]', "The text is JSON, not CSV: send it as JSON"),
        ("summary", "csv", ' {"a": [1]}', "The text is JSON, not CSV: send it as JSON"),
        ("summary", "xml", "<a/>", "Unknown data format 'xml'"),
        ("magic", "records", PEOPLE, "Unknown analysis type 'magic': use one of summary, correlation, stats"),
        ("correlation", "records", [{"t": "a"}], "There is no numeric column"),
        ("stats", "records", [{"t": True}], "There is no numeric column, and statistics needs one: 't' is truth values"),
        (
            "stats",
            "csv",
            "who,price\nA,5 EUR\n",
            "There is no numeric column, and statistics needs one: 'who' is text, such as 'A', "
            "'price' is text, such as '5 EUR'",
        ),
    ],
)
def test_data_that_cannot_be_analyzed_is_a_clear_error(
    shared: TestKernel, kind: str, form: str, data: Any, message: str
) -> None:
    """Never an empty success, never a stack of library frames."""
    reply = analyze(shared, kind, data, form)
    assert (reply.status, reply.content["ename"]) == ("error", "DataError")
    assert reply.content["evalue"].startswith(message)
    assert "\n" not in reply.content["evalue"]
    assert reply.text() == ""
    assert reply.traceback.startswith("DataError: ")


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,x\n2.5,y\n",
        "a;b\n1;x\n2.5;y\n",
        "a;b\n1;x\n2,5;y\n",
        "a\tb\n1\tx\n2.5\ty\n",
        "a|b\n1|x\n2.5|y\n",
        "\n\ufeffa, b\r\n1, x\r\n\r\n2.5, y".lstrip("\n"),
        '"a",b\n1,"x"\n2.5,y\n',
    ],
)
def test_csv_text_of_the_usual_delimiters_says_the_same(shared: TestKernel, text: str) -> None:
    """Comma, semicolon (with decimal commas too), tab and bar."""
    found = numbers(shared, "summary", text, "csv")
    assert found["columns"] == ["a", "b"]
    assert found["describe"]["a"]["mean"] == 1.75


def test_a_delimiter_inside_names_or_values_does_not_decide(shared: TestKernel) -> None:
    """The delimiter under which the rows are even is the one; a single column may hold any text."""
    assert numbers(shared, "summary", "size, cm;n\n1;2\n", "csv")["columns"] == ["size, cm", "n"]
    assert numbers(shared, "summary", '"x;y",n\n1,2\n', "csv")["columns"] == ["x;y", "n"]
    assert numbers(shared, "summary", "t\n1;2\n", "csv")["columns"] == ["t"]
    assert numbers(shared, "summary", "[x],n\n1,2\n", "csv")["columns"] == ["[x]", "n"]


def test_no_warning_of_a_library_is_output(shared: TestKernel) -> None:
    """Mixed types and constant columns make pandas and numpy warn: that is not the caller's."""
    rows = "".join(f"{n},{n}\n" for n in range(300_000)) + "x,y\n"
    assert "Warning" not in analyze(shared, "summary", "a,b\n" + rows, "csv").text()
    assert analyze(shared, "correlation", {"a": [1, 1], "b": [1e308, -1e308]}, "columns").text("stderr") == ""
    assert "Warning" not in analyze(shared, "stats", {"a": [1e308, 1e308]}, "columns").text()


def test_data_is_data_and_never_code(shared: TestKernel) -> None:
    """Text that looks like code, format fields or HTML goes through untouched."""
    evil = "'); __import__('os').system('echo owned') #"
    reply = analyze(shared, "summary", [{evil: 1, "{0}": 2, "<b>": 3}])
    assert "owned'" in reply.text()
    assert list(reply.result["application/json"]["describe"]) == [evil, "{0}", "<b>"]


def test_missing_text_values_and_names_with_odd_characters(shared: TestKernel) -> None:
    """Lone surrogates and non-Latin names leave as valid text."""
    found = numbers(shared, "stats", {"数": [1, 3], "a b": [2, 2]}, "columns")["stats"]
    assert found["数"]["mean"] == 2
    assert found["a b"]["std"] == 0

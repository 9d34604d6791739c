"""The seed guide's requests, sent to a real gateway as they stand there, with the answers it promises."""

from __future__ import annotations

import pytest

from tests.api.caller import Caller
from tests.live import STREAMS

pytestmark = pytest.mark.kernel


def test_a_simple_calculation(caller: Caller) -> None:
    """Quick start, example 1: output, success and exit code, and the variables the code bound."""
    answer = caller.python(
        '\nimport math\n\n# Calculate factorial\nresult = math.factorial(10)\nprint(f"10! = {result}")\n  '
    )
    assert answer["success"] is True
    assert answer["output"] == "10! = 3628800\n"
    assert answer["error"] is None
    assert answer["exitCode"] == 0
    assert isinstance(answer["executionTime"], int)
    assert answer["variables"]["result"]["type"] == "int"
    assert answer["variables"]["result"]["preview"] == "3628800"
    assert "math" not in answer["variables"]


def test_data_analysis_with_pandas(caller: Caller) -> None:
    """Quick start, example 2: a frame is printed, described and averaged."""
    answer = caller.python(
        """
import pandas as pd
import numpy as np

# Create sample data
df = pd.DataFrame({
    'name': ['Alice', 'Bob', 'Charlie', 'Diana'],
    'age': [25, 30, 35, 28],
    'score': [85, 92, 78, 95]
})

print("Data:")
print(df)
print("\\nStatistics:")
print(df.describe())
print(f"\\nAverage score: {df['score'].mean():.2f}")
"""
    )
    assert answer["success"] is True, answer
    assert answer["output"].startswith("Data:\n      name  age  score\n0    Alice   25     85\n")
    assert answer["output"].endswith("\nAverage score: 87.50\n")
    assert answer["variables"]["df"] == {**answer["variables"]["df"], "type": "DataFrame", "shape": [4, 3]}


def test_an_error_has_type_message_and_traceback(caller: Caller) -> None:
    """Error response: exit code 1, the caller's own line, no trace of the gateway and no ANSI codes."""
    answer = caller.python("x = 1\ny = x / 0\n")
    assert answer["success"] is False
    assert answer["exitCode"] == 1
    assert answer["error"]["type"] == "ZeroDivisionError"
    assert answer["error"]["message"] == "division by zero"
    traceback = answer["error"]["traceback"]
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert "line 2" in traceback
    assert "y = x / 0" in traceback
    assert "\x1b" not in traceback
    for word in ("ipykernel", "IPython", "site-packages", "kernels/", "/opt/"):
        assert word not in traceback


@pytest.mark.parametrize(
    ("code", "exit_code", "success"), [("3", 3, False), ("0", 0, True), ("", 0, True), ("'no'", 1, False), ("'7'", 1, False)]
)
def test_sys_exit_gives_its_code(caller: Caller, code: str, exit_code: int, success: bool) -> None:
    """sys.exit(3) answers exitCode 3; leaving with 0 is a success."""
    answer = caller.python(f"import sys\nprint('before')\nsys.exit({code})\nprint('after')", **STREAMS)
    assert (answer["exitCode"], answer["success"]) == (exit_code, success)
    assert answer["stdout"] == "before\n"
    said = code.strip("'") if "'" in code else ""
    assert answer["stderr"] == (f"{said}\n" if said else "")
    if said:
        assert (answer["error"]["type"], answer["error"]["message"]) == ("SystemExit", said)


def test_what_the_kernel_says_about_its_run_arrives(caller: Caller) -> None:
    """One name for the code in warnings too, texts that were cut, and the limit behind an empty MemoryError."""
    answer = caller.python("import warnings\nwarnings.warn('w')\n", **STREAMS)
    assert answer["stderr"].startswith("<code>:2: UserWarning: w")
    assert answer["truncated"] is False
    assert caller.python("'x' * 200_000")["truncated"] is True
    error = caller.python("raise MemoryError")["error"]
    assert error["message"].startswith("Memory limit of ")


def test_output_keeps_the_order_of_both_streams_and_has_them_apart(caller: Caller) -> None:
    """`output` is what a terminal would show; `stdout` and `stderr` are each stream alone."""
    answer = caller.python(
        "import sys\nfor i in range(3):\n    print('out', i, flush=True)\n    print('err', i, file=sys.stderr, flush=True)"
    )
    assert answer["output"] == "out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\n"
    assert answer["stdout"] == "out 0\nout 1\nout 2\n"
    assert answer["stderr"] == "err 0\nerr 1\nerr 2\n"


@pytest.mark.parametrize("endpoint", ["python", "chart"])
def test_text_can_be_had_as_a_terminal_shows_it(caller: Caller, endpoint: str) -> None:
    """The last state of a progress bar and what clear_output() left. Without the option nothing is taken away."""
    code = (
        "import sys\nfrom IPython.display import clear_output\nplt = __import__('matplotlib.pyplot').pyplot\nplt.plot([1])\n"
        "for i in range(3):\n    clear_output(wait=True)\n    print(i)\n    sys.stderr.write(f'\\r{i * 50}%')\n"
    )
    raw, shown = (caller.post(endpoint, {"code": code, **option}).body for option in ({}, {"text": "terminal"}))
    assert (raw["stdout"], raw["stderr"]) == ("0\n1\n2\n" + raw["stdout"][6:], "\r0%\r50%\r100%")
    assert (shown["stdout"], shown["stderr"]) == ("2\n" + raw["stdout"][6:], "100%")
    assert shown["output"].startswith("2\n100%")


def test_the_last_expression_is_a_result(caller: Caller) -> None:
    """Its value comes as a MIME bundle; a frame also as HTML."""
    answer = caller.python("import pandas as pd\npd.DataFrame({'a': [1, 2]})")
    (result,) = answer["results"]
    assert result["type"] == "result"
    assert result["data"]["text/plain"] == "   a\n0  1\n1  2"
    assert "<table" in result["data"]["text/html"]


RECORDS = [
    {"name": "Alice", "age": 25, "score": 85},
    {"name": "Bob", "age": 30, "score": 92},
    {"name": "Charlie", "age": 35, "score": 78},
]


def test_the_summary_of_the_guide(caller: Caller) -> None:
    """Counts, means and quartiles worked out by hand: ages 25, 30, 35 and scores 85, 92, 78."""
    answer = caller.post("analyze", {"data": RECORDS, "analysisType": "summary"}).body
    assert answer["success"] is True, answer
    assert answer["output"].startswith("\nData Summary:\n")
    lines = [line.split() for line in answer["output"].splitlines()]
    assert ["age", "score"] in lines
    assert ["count", "3.0", "3.0"] in lines
    assert ["mean", "30.0", "85.0"] in lines
    assert ["std", "5.0", "7.0"] in lines


@pytest.mark.parametrize("shape", ["records", "columns", "csv"])
@pytest.mark.parametrize("kind", ["summary", "correlation", "stats"])
def test_every_analysis_on_every_shape_of_data(caller: Caller, kind: str, shape: str) -> None:
    """The three shapes carry the same table, so they get the same text and the same numbers."""
    data: object = {
        "records": RECORDS,
        "columns": {name: [row[name] for row in RECORDS] for name in ("name", "age", "score")},
        "csv": "name,age,score\nAlice,25,85\nBob,30,92\nCharlie,35,78\n",
    }[shape]
    answer = caller.post("analyze", {"data": data, "analysisType": kind}).body
    reference = caller.post("analyze", {"data": RECORDS, "analysisType": kind}).body
    assert answer["success"] is True, answer
    assert answer["output"] == reference["output"]
    assert answer["results"] == reference["results"]
    assert "application/json" in answer["results"][-1]["data"]


def test_data_is_never_code(caller: Caller) -> None:
    """Quotes, braces and code in values and names stay text."""
    hostile = "'''\"\"\"{__import__('os')._exit(7)}\\\n%s"
    answer = caller.post("analyze", {"data": [{hostile: hostile, "n": 1}], "analysisType": "summary"}).body
    assert answer["success"] is True, answer


def test_quick_math(caller: Caller) -> None:
    """sqrt(144) + pi, as text and as a number."""
    answer = caller.post("math", {"expression": "math.sqrt(144) + np.pi"}).body
    assert answer["success"] is True
    assert answer["output"] == "Result: 15.141592653589793\n"
    assert answer["results"][0]["data"]["application/json"] == 15.141592653589793


@pytest.mark.parametrize("expression", ["x = 1", "import os", "1; 2", "for i in []: pass", "1 +", "(", "print(1)\nprint(2)"])
def test_what_is_not_an_expression_is_a_clear_error(caller: Caller, expression: str) -> None:
    """Statements, halves and several lines are refused."""
    answer = caller.post("math", {"expression": expression}).body
    assert answer["success"] is False
    assert answer["error"]["type"] in ("MathError", "SyntaxError")
    assert answer["error"]["message"]


def test_statistics_use_case(caller: Caller) -> None:
    """Use case 2, with numbers from the sample itself: mean 47.4, median 50.5."""
    answer = caller.python(
        "import numpy as np\nfrom scipy import stats\ndata = [23, 45, 56, 78, 12, 34, 56, 78, 90, 12]\n"
        "print(f'Mean: {np.mean(data):.2f}')\nprint(f'Median: {np.median(data):.2f}')\n"
        "print(stats.t.interval(0.95, len(data)-1, np.mean(data), stats.sem(data)))"
    )
    assert answer["success"] is True, answer
    assert answer["output"].startswith("Mean: 48.40\nMedian: 50.50\n")


def test_machine_learning_use_case(caller: Caller) -> None:
    """Use case 5: least squares by hand give slope 20/3 and intercept 43.75."""
    answer = caller.python(
        "from sklearn.linear_model import LinearRegression\nimport numpy as np\n"
        "X = np.array([[1], [2], [3], [4], [5], [6], [7], [8]])\ny = np.array([50, 55, 65, 70, 80, 85, 90, 95])\n"
        "model = LinearRegression()\nmodel.fit(X, y)\nprint(f'{model.coef_[0]:.2f} {model.intercept_:.2f}')"
    )
    assert answer["output"] == "6.67 43.75\n", answer


@pytest.mark.parametrize("package", ["numpy", "pandas", "matplotlib", "seaborn", "scipy", "sklearn"])
def test_a_package_that_is_there_says_its_version(caller: Caller, package: str) -> None:
    """The version told is the one a kernel imports."""
    told = caller.post("install", {"package": package})
    assert told.status == 200
    version = caller.python(f"import {package}\nprint({package}.__version__, end='')")["output"]
    assert told.body["success"] is True
    assert version in told.body["output"]


@pytest.mark.parametrize("package", ["math", "statistics", "json", "csv", "datetime", "random"])
def test_the_standard_library_says_so(caller: Caller, package: str) -> None:
    """Nothing is to be installed, and the answer says why."""
    told = caller.post("install", {"package": package})
    assert told.status == 200
    assert "Python" in told.body["output"]


def test_any_other_package_is_refused_with_the_list(caller: Caller) -> None:
    """403, and the allowed names in the message."""
    told = caller.post("install", {"package": "torch"})
    assert told.status == 403
    assert told.body["success"] is False
    for name in ("numpy", "scikit-learn", "random"):
        assert name in told.body["error"]["message"]


def test_history_is_newest_first(caller: Caller) -> None:
    """What ran last stands first, with type, code, success, timestamp and time taken."""
    caller.python("print('first')")
    caller.post("math", {"expression": "1 / 0"})
    told = caller.wait_for_history(lambda rows: bool(rows) and rows[0]["code"] == "1 / 0")
    assert told[0]["type"] == "math"
    assert told[0]["success"] is False
    assert told[1]["code"] == "print('first')"
    assert told[1]["success"] is True
    assert told[1]["timestamp"].endswith("Z")
    assert isinstance(told[1]["executionTime"], int)


def test_health_says_what_the_guide_shows_and_little_more(caller: Caller) -> None:
    """No token needed, and nothing an outsider should not know."""
    told = caller.get("health", token="")
    assert told.status == 200
    assert told.body["status"] == "healthy"
    assert told.body["python"]["available"] is True
    assert told.body["python"]["version"].startswith("Python 3.")
    assert told.body["javascript"]["available"] is True
    assert told.body["javascript"]["version"].startswith("Node.js ")
    assert told.body["config"] == {"pythonTimeout": 30000, "javascriptTimeout": 10000, "maxOutputSize": 1048576}
    assert told.body["isolation"] in ("L1", "L2", "L2+", "L3")
    assert set(told.body) <= {"status", "python", "javascript", "config", "isolation", "version"}


def test_every_example_of_the_gallery_gives_the_output_it_shows(caller: Caller) -> None:
    """The gallery is real: each example is sent as it stands."""
    examples = caller.get("examples").body["examples"]
    assert len(examples) >= 12
    for example in examples:
        answer = caller.post(example["endpoint"].rsplit("/", 1)[-1], example["request"]).body
        assert answer["success"] is True, (example["title"], answer)
        if example.get("output") is not None:
            assert answer["output"] == example["output"], example["title"]

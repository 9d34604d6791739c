"""The math task: one expression, its text and its JSON value."""

from __future__ import annotations

import sys
import time

import pytest

from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(
    ("expression", "shown", "value"),
    [
        ("math.sqrt(144) + np.pi", "15.141592653589793", 15.141592653589793),
        ("2 + 2", "4", 4),
        ("  1 / 4\n", "0.25", 0.25),
        ("statistics.mean([1, 2, 3, 4])", "2.5", 2.5),
        ("np.array([1, 2]) * 2", "[2 4]", [2, 4]),
        ("2 ** 100", "1267650600228229401496703205376", "1267650600228229401496703205376"),
        ("2 ** 53", "9007199254740992", 9007199254740992),
        ("float('nan')", "nan", None),
        ("-math.inf", "-inf", None),
        ("1 == 1", "True", True),
        ("(-8) ** (1/3)", "(1.0000000000000002+1.7320508075688772j)", "(1.0000000000000002+1.7320508075688772j)"),
        ("np.float64(1.5)", "1.5", 1.5),
        ("[x ** 2\n for x in range(3)]", "[0, 1, 4]", [0, 1, 4]),
        ("math", "<module 'math' (built-in)>", None),
        ("np.mean([1, 2, 3])", "2.0", 2.0),
    ],
)
def test_an_expression_is_evaluated(shared: TestKernel, expression: str, shown: str, value: object) -> None:
    """``Result: ...`` on stdout and the value as strict JSON."""
    reply = shared.run(expression, "math")
    assert reply.status == "ok", reply.content
    if expression == "math":
        assert reply.text().startswith("Result: <module 'math'")
        assert isinstance(reply.result["application/json"], str)
        return
    assert reply.text() == f"Result: {shown}\n"
    assert reply.result["application/json"] == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "The expression is empty"),
        ("  \n ", "The expression is empty"),
        ("# only a comment", "The expression is empty"),
        ("x = 1", "Expected an expression, found a statement (assign)"),
        ("import os", "Expected an expression, found a statement (import)"),
        ("1\n2", "Expected one expression, found 2 statements"),
        ("1; 2", "Expected one expression, found 2 statements"),
        ("2 +", "Not an expression: invalid syntax"),
        ("(" * 5000, "Not an expression"),
        ("1 +" * 5000, "The expression is longer than 10000 characters"),
        ("yield 1", "Not an expression"),
        ("await f()", "Not an expression"),
        ("1\x002", "Not an expression"),
    ],
)
def test_what_is_not_one_expression_is_refused(shared: TestKernel, expression: str, message: str) -> None:
    """Statements, several lines, nothing: a clear error and no evaluation."""
    reply = shared.run(expression, "math")
    assert (reply.status, reply.content["ename"]) == ("error", "MathError")
    assert reply.content["evalue"].startswith(message)
    assert reply.text() == ""


def test_an_expression_that_raises_reports_its_error(shared: TestKernel) -> None:
    """The error is the expression's, with its source."""
    reply = shared.run("math.sqrt(-1)", "math")
    assert reply.content["ename"] == "ValueError"
    assert 'File "<code>", line 1' in reply.traceback
    assert "math.sqrt(-1)" in reply.traceback
    assert shared.run("nosuch + 1", "math").content["ename"] == "NameError"


def test_expressions_share_nothing(shared: TestKernel) -> None:
    """One expression's names are not there for the next, nor for python runs."""
    shared.run("(leak := 5)", "math")
    assert shared.run("leak", "math").content["ename"] == "NameError"
    assert shared.run("leak").content["ename"] == "NameError"


@pytest.mark.parametrize(
    "expression", ["10 ** 10000", "-(10 ** 20000) + 1", "10 ** 99999", "[10 ** 5000]", "[7, 10 ** 5000]"]
)
def test_long_integers_are_written_out(shared: TestKernel, expression: str) -> None:
    """Python's limit of 4300 digits is not the expression's; text, value and output agree."""
    reply = shared.run(expression, "math")
    sys.set_int_max_str_digits(100_000)
    digits = str(eval(expression))
    sys.set_int_max_str_digits(4300)
    assert reply.status == "ok"
    assert reply.text() == f"Result: {digits}\n"
    assert reply.result["text/plain"].replace("\n", "") == digits
    value = reply.result["application/json"]
    assert (value if isinstance(value, str) else f"[{', '.join(map(str, value))}]") == digits
    assert reply.metadata["omega"]["truncated"] is False
    assert shared.run("import sys; sys.get_int_max_str_digits()").result["text/plain"] == "4300"


@pytest.mark.parametrize("expression", ["10 ** 100000", "-10 ** 100001", "10 ** 3_000_000"])
def test_integers_without_end_are_refused(shared: TestKernel, expression: str) -> None:
    """The limit is named, and nothing pretends to be a result."""
    reply = shared.run(expression, "math")
    assert (reply.status, reply.content["ename"]) == ("error", "MathError")
    assert "up to 100,000 are written out" in reply.content["evalue"]
    assert reply.text() == ""


@pytest.mark.parametrize(
    ("expression", "at"),
    [("math.sqrt(-1) + 2", "math.sqrt(-1)"), ("  (1 + math.sqrt(-1)) + [1][3]", "math.sqrt(-1)"), ("'é' * (1/0)", "1/0")],
)
def test_carets_stand_under_what_failed(shared: TestKernel, expression: str, at: str) -> None:
    """The column is the expression's own."""
    lines = shared.run(expression, "math").traceback.splitlines()
    marks = lines[3]
    start = len(marks) - len(marks.lstrip())
    assert lines[2][start : len(marks.rstrip())] == at


def test_an_interrupted_expression_has_frames_of_its_own_only(kernel: TestKernel) -> None:
    """Neither ours nor those of libraries we use, also where one error led to another."""
    for expression in ("[x for x in range(10**10)]", "next(iter(int, 1) and (n for n in iter(int, 1) if n))"):
        request = kernel.send(expression, {"task": "math"})
        time.sleep(0.3)
        kernel.interrupt()
        traceback = kernel.collect(request).traceback
        assert traceback.splitlines()[-1] == "KeyboardInterrupt"
        frames = [line for line in traceback.splitlines() if line.startswith("  File ")]
        assert frames
        assert all('"<code>"' in frame for frame in frames)

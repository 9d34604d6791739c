"""Answers are strict JSON whatever the code makes: the kinds of value that break encoders, through HTTP."""

from __future__ import annotations

import pytest

from tests.api.caller import Caller

pytestmark = pytest.mark.kernel

VALUES = [
    "float('nan')",
    "float('inf')",
    "[float('-inf'), {'a': float('nan')}]",
    "10 ** 400",
    "10 ** 5000",
    "-(2 ** 63) - 1",
    "__import__('datetime').datetime(2026, 1, 2, 3, 4, 5)",
    "__import__('datetime').timedelta(days=1)",
    "__import__('decimal').Decimal('1.10')",
    "__import__('fractions').Fraction(1, 3)",
    "b'\\xff\\x00'",
    "'\\ud800 lone'",
    "{'\\udfff': '\\ud800'}",
    "{1: 2, None: 3, (1, 2): 4}",
    "{1, 2, 3}",
    "1j",
    "object()",
    "type('Evil', (), {'__repr__': lambda s: 1 / 0})()",
    "type('Evil', (), {'__repr__': lambda s: 7})()",
    "type('Big', (), {'__repr__': lambda s: 'x' * 10 ** 8})()",
    "'x' * 10 ** 6",
    "list(range(10 ** 6))",
    "(lambda a: (a.append(a), a)[1])([])",
    "__import__('numpy').array([1.0, float('nan')])",
    "__import__('numpy').datetime64('NaT')",
    "__import__('numpy').float32('inf')",
    "__import__('pandas').NA",
    "__import__('pandas').NaT",
    "__import__('pandas').DataFrame({'a': [1, None], 'b': ['x', None]})",
    "__import__('pandas').Timestamp('2026-01-01', tz='UTC')",
    "lambda: 0",
    "[__import__('sys')]",
    "Exception('\\ud800')",
]


@pytest.mark.parametrize("value", VALUES)
def test_any_value_can_be_bound_and_shown(caller: Caller, value: str) -> None:
    """The run succeeds, the answer parses strictly, and the variable is listed with its type."""
    answer = caller.python(f"value = {value}\nvalue", timeout=20_000)
    assert answer["success"] is True, answer["error"]
    assert answer["variables"]["value"]["type"]
    assert len(answer["variables"]["value"]["preview"]) <= 400


@pytest.mark.parametrize(
    "text", ["'\\ud800'", "'\\x00'", "'\\x1b[31mred'", "'\\u2028'", "'é' * 3", "b'\\xff'.decode('latin1')"]
)
def test_any_text_can_be_printed(caller: Caller, text: str) -> None:
    """Lone surrogates are replaced, everything else arrives as written."""
    answer = caller.python(f"import sys\nsys.stdout.write({text})")
    assert answer["success"] is True, answer
    assert answer["output"]


@pytest.mark.parametrize("message", ["'\\ud800'", "'\\x00'", "'x' * 10 ** 6", "float('nan')", "b'\\xff'"])
def test_any_exception_can_be_told(caller: Caller, message: str) -> None:
    """Type, message and traceback are text whatever was raised."""
    answer = caller.python(f"raise ValueError({message})")
    assert answer["error"]["type"] == "ValueError"
    assert isinstance(answer["error"]["message"], str)


def test_an_exception_that_cannot_be_shown_is_told_all_the_same(caller: Caller) -> None:
    """Its __str__ raises: type and traceback are there."""
    answer = caller.python("class Evil(Exception):\n    def __str__(self): raise RuntimeError\nraise Evil")
    assert answer["error"]["type"] == "Evil"
    assert "line 3" in answer["error"]["traceback"]


def test_a_repr_that_hangs_ends_at_the_deadline(caller: Caller) -> None:
    """Showing a value is user code and has the run's time; listing it as a variable runs none of it."""
    evil = "class Evil:\n    def __repr__(self):\n        while True: pass\nx = Evil()\n"
    assert caller.python(evil + "x", timeout=800)["error"]["type"] == "TimeoutError"
    answer = caller.python(evil + "print('bound')", timeout=5000)
    assert answer["success"] is True
    assert answer["variables"]["x"]["type"] == "Evil"


def test_a_hundred_thousand_variables_are_listed_within_a_bound(caller: Caller) -> None:
    """The list is bounded, so it cannot fill the answer."""
    answer = caller.python("for i in range(100_000): globals()[f'v{i}'] = i")
    assert answer["success"] is True
    assert 0 < len(answer["variables"]) <= 1000


def test_a_chart_of_one_byte_is_not_made_up(caller: Caller) -> None:
    """Forged MIME data cannot break the answer."""
    answer = caller.python(
        "from IPython.display import display\n"
        "for data in ({'image/png': 5}, {'image/png': None}, {7: 'x'}, {'text/html': '<script>'}):\n"
        "    try:\n        display(data, raw=True)\n    except Exception as e:\n        print(type(e).__name__)"
    )
    assert answer["success"] is True, answer

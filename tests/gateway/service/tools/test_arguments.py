"""What a model may give to a tool, and the sentence by which it mends what it gave."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import BadRequest
from gateway.service.tools.arguments import (
    AnalyzeArguments,
    Arguments,
    FilesArguments,
    PythonArguments,
    check,
    parameters,
)

TAKES = "the arguments are code, session (optional), timeout (optional)."


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        (PythonArguments, {}, f"The argument code is missing; {TAKES}"),
        (PythonArguments, {"code": None}, f"The argument code is missing; {TAKES}"),
        (PythonArguments, {"cod": 1}, f"There is no argument 'cod'; {TAKES}"),
        (PythonArguments, {"code": ""}, f"code is empty; {TAKES}"),
        (PythonArguments, {"code": 5}, f"code must be a string, not 5; {TAKES}"),
        (PythonArguments, {"code": "x", "timeout": "5"}, f"timeout must be a number (at least 1), not '5'; {TAKES}"),
        (PythonArguments, {"code": "x", "timeout": True}, f"timeout must be a number (at least 1), not true; {TAKES}"),
        (PythonArguments, {"code": ["x"]}, f"code must be a string, not an array; {TAKES}"),
        (PythonArguments, {"code": "x", "session": "s" * 65}, "session must be a string (at most 64 characters), not 'ssss"),
        (AnalyzeArguments, {"data": 5}, "data must be an array or an object or a string, not 5; "),
        (
            AnalyzeArguments,
            {"data": "a", "analysisType": "x"},
            "analysisType must be one of 'summary', 'correlation', 'stats'",
        ),
        (
            FilesArguments,
            {"session": "a", "action": "delete"},
            "action must be one of 'list', 'read', 'write', not 'delete'; ",
        ),
        (FilesArguments, {"session": "", "action": "list"}, "session is empty; "),
    ],
)
def test_wrong_arguments_are_told_with_the_right_ones(kind: type[Arguments], given: dict[str, Any], says: str) -> None:
    """A model reads it and calls again."""
    with pytest.raises(BadRequest) as refused:
        check(kind, given)
    assert refused.value.message.startswith(says)


def test_null_is_absent() -> None:
    """Strict function calling sends every argument."""
    assert check(PythonArguments, {"code": "x", "session": None, "timeout": None}) == PythonArguments(code="x")


@pytest.mark.parametrize("data", [[{"a": 1}], {"a": [1]}, "a\n1"])
def test_tables_come_in_three_forms(data: Any) -> None:
    """Rows, columns and text."""
    assert check(AnalyzeArguments, {"data": data}).data == data


def test_a_schema_has_what_a_model_needs_and_no_more() -> None:
    """Each word is paid for in every conversation."""
    assert parameters(PythonArguments) == {
        "type": "object",
        "properties": {
            "code": {"type": "string"},
            "session": {"type": "string", "description": "id of a session whose state goes on, or 'new'"},
            "timeout": {"type": "number", "description": "milliseconds"},
        },
        "required": ["code"],
        "additionalProperties": False,
    }


def test_no_value_is_shown_whole() -> None:
    """A megabyte of a wrong argument is not sent back."""
    with pytest.raises(BadRequest) as refused:
        check(AnalyzeArguments, {"data": "a", "analysisType": "x" * 1_000_000})
    assert len(refused.value.message) < 300
    with pytest.raises(BadRequest) as refused:
        check(PythonArguments, {"x" * 1_000_000: 1})
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("data", [[1] * 1000, {str(number): 1 for number in range(1000)}])
def test_what_a_table_holds_is_not_checked_value_by_value(data: Any) -> None:
    """It would make an error of each: tables.read, which is asked next, stops at the first."""
    assert check(AnalyzeArguments, {"data": data}).data is not None
    assert parameters(AnalyzeArguments)["properties"]["data"]["anyOf"] == [
        {"type": "array", "items": {"type": "object"}},
        {"type": "object"},
        {"type": "string"},
    ]

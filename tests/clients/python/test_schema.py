"""What a signature says as JSON schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Optional, Union

import pytest

from omega_client.schema import description_of, parameters_of, schema_of

if TYPE_CHECKING:
    from decimal import Decimal


class Colour(Enum):
    """Of a bar."""

    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, {}),
        (type(None), {"type": "null"}),
        (Any, {}),
        (list, {"type": "array", "items": {}}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Sequence[str], {"type": "array", "items": {"type": "string"}}),
        (tuple[float, ...], {"type": "array", "items": {"type": "number"}}),
        (dict, {"type": "object"}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Mapping[str, Any], {"type": "object", "additionalProperties": {}}),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}),  # noqa: UP045  # as older programs write it
        (Union[int, str], {"anyOf": [{"type": "integer"}, {"type": "string"}]}),  # noqa: UP007  # the same
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Colour, {"enum": ["red", "blue"]}),
        (object, {}),
    ],
)
def test_a_type_has_a_schema(hint: Any, schema: dict[str, Any]) -> None:
    """One that JSON does not have allows everything."""
    assert schema_of(hint) == schema


def google(sql: str, limit: int = 10, rows: list[str] | None = None) -> list[Any]:
    """Ask the database.

    It can only read.

    Args:
        sql: One statement,
            in the dialect of SQLite.
        limit (int): How many rows at most.

    Returns:
        The rows.
    """
    return [sql, limit, rows]


def sphinx(sql: str) -> None:
    """Ask the database.

    :param str sql: One statement.
    :returns: Nothing.
    """


def test_a_signature_and_its_docstring_are_a_schema() -> None:
    """Parameters without a default are required, and defaults are told."""
    assert parameters_of(google) == {
        "type": "object",
        "properties": {
            "sql": {"type": "string", "description": "One statement, in the dialect of SQLite."},
            "limit": {"type": "integer", "description": "How many rows at most.", "default": 10},
            "rows": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "default": None},
        },
        "required": ["sql"],
        "additionalProperties": False,
    }
    assert description_of(google) == "Ask the database.\n\nIt can only read."
    assert parameters_of(sphinx)["properties"] == {"sql": {"type": "string", "description": "One statement."}}
    assert description_of(sphinx) == "Ask the database."


def test_types_that_are_not_known_here_allow_everything() -> None:
    """The gateway must not refuse what the function would take."""

    def price(amount: Decimal, anything=print):  # type: ignore[no-untyped-def]  # as people write them
        return amount, anything

    assert parameters_of(price)["properties"] == {"amount": {}, "anything": {}}
    assert description_of(price) == ""


def test_what_has_no_names_can_not_be_a_tool() -> None:
    """Code calls tools by the names of their parameters."""

    def rest(*args: int) -> None:
        raise AssertionError(args)

    def more(**kwargs: int) -> None:
        raise AssertionError(kwargs)

    def first(number: int, /) -> None:
        raise AssertionError(number)

    for function in (rest, more, first):
        with pytest.raises(TypeError, match="can't be a tool"):
            parameters_of(function)

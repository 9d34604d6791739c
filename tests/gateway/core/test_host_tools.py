"""Tools of the client's as requests define them, and the results that answer their calls."""

from __future__ import annotations

import json
from typing import NoReturn

import pytest

from gateway.core.errors import BadRequest
from gateway.core.host_tools import HostAnswer, HostTool, is_call_id, read_answer, read_answers, read_tools


def test_a_tool_has_a_name_and_maybe_more() -> None:
    """The order of its parameters is that of the schema."""
    schema = {"type": "object", "properties": {"sql": {}, "limit": {}, "a": {}}}
    tools = read_tools([{"name": "query", "description": "Asks.", "parameters": schema}, {"name": "A1_"}])
    assert tools == (HostTool("query", "Asks.", ("sql", "limit", "a")), HostTool("A1_"))
    assert tools[0].to_json() == {"name": "query", "description": "Asks.", "order": ["sql", "limit", "a"]}
    assert read_tools([]) == ()
    assert len(read_tools([{"name": f"a{number}"} for number in range(100)])) == 100


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([5], "tools[0] must be an object"),
        ([{"name": "a"}, {"name": "b", "type": "x"}], "tools[1] has the unknown field 'type'; allowed are: name,"),
        ([{}], "tools[0].name must be a letter, then at most 63 letters, digits and underscores."),
        ([{"name": 5}], "tools[0].name must be a letter, then at most 63 letters, digits and underscores."),
        ([{"name": "_a"}], "tools[0].name must be a letter, then at most 63 letters, digits and underscores, not '_a'."),
        ([{"name": "a" * 65}], "tools[0].name must be a letter"),
        ([{"name": "ä"}], "tools[0].name must be a letter"),
        ([{"name": "a\n"}], "tools[0].name must be a letter"),
        ([{"name": "None"}], "tools[0].name is 'None', a keyword of Python"),
        ([{"name": "ToolError"}], "tools[0].name is 'ToolError', the error that code gets from tools."),
        ([{"name": "a"}, {"name": "a"}], "tools[1].name is 'a', which is the name of an earlier tool."),
        ([{"name": "a", "description": None}], "tools[0].description must be a string."),
        ([{"name": "a", "parameters": []}], "tools[0].parameters must be an object"),
        ([{"name": "a", "parameters": {"properties": 1}}], "tools[0].parameters.properties must be an object."),
        ([{"name": "a"}] * 101, "tools has more than 100 tools."),
    ],
)
def test_any_other_definition_is_refused(rows: list[object], said: str) -> None:
    """The error names the field."""
    with pytest.raises(BadRequest) as refused:
        read_tools(rows)
    assert refused.value.message.startswith(said)


def test_a_result_is_an_output_or_an_error() -> None:
    """Any JSON, also none; the kernel gets it as it is."""
    rows = [{"id": "a-1", "output": None}, {"id": "b", "output": {"x": [1.5, "ä"]}}, {"id": "c", "error": "no"}]
    answers = read_answers(rows, 3)
    assert [answer.call_id for answer in answers] == ["a-1", "b", "c"]
    assert [json.loads(answer.content) for answer in answers] == rows
    assert answers[2] == HostAnswer.of("c", error="no")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (5, "results[3] must be an object"),
        ({"id": "a"}, "results[3] must be an object"),
        ({"id": "a", "output": 1, "error": "x"}, "results[3] must be an object"),
        ({"id": "a", "result": 1}, "results[3] must be an object"),
        ({"output": 1, "error": "x"}, "results[3] must be an object"),
        ({"id": 5, "output": 1}, "results[3].id must be the id of a call that waits."),
        ({"id": "a b", "output": 1}, "results[3].id must be the id of a call that waits."),
        ({"id": "a", "error": {"text": "x"}}, "results[3].error must be a string"),
    ],
)
def test_any_other_result_is_refused(row: object, said: str) -> None:
    """The error names the field."""
    with pytest.raises(BadRequest) as refused:
        read_answer("results[3]", row)
    assert refused.value.message.startswith(said)


class Unread(list[object]):
    """A list that nobody may look into."""

    def __iter__(self) -> NoReturn:
        raise AssertionError("the rows were read")


def test_more_results_than_a_run_can_make_calls_are_refused_by_their_number() -> None:
    """Each costs time in which nobody else is served."""
    with pytest.raises(BadRequest) as refused:
        read_answers(Unread([5] * 501), 500)
    assert refused.value.message == "results has 501 results: a run can make 500 calls."


@pytest.mark.parametrize("value", [None, 5, "", "a" * 65, "a\n", "é", ["a"]])
def test_the_id_of_a_call_is_a_short_word(value: object) -> None:
    """It stands in events and addresses."""
    assert is_call_id("aZ0_-")
    assert not is_call_id(value)

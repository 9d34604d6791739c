"""Definitions in the forms of each API; tests/contract checks them with the types of those APIs' own libraries."""

from __future__ import annotations

from gateway.service.tools import formats, openapi
from gateway.service.tools.table import TOOLS

PYTHON, ANALYZE = TOOLS["code_execute_python"], TOOLS["code_analyze_data"]


def test_each_api_gets_its_own_form() -> None:
    """The same tool, by other names of the fields."""
    schema = PYTHON.parameters
    assert formats.render([PYTHON], "openai") == [
        {
            "type": "function",
            "function": {"name": PYTHON.name, "description": PYTHON.description, "parameters": schema},
        }
    ]
    named = {"name": PYTHON.name, "description": PYTHON.description}
    assert formats.render([PYTHON], "anthropic") == [{**named, "input_schema": schema}]
    assert formats.render([PYTHON], "gemini") == [{**named, "parametersJsonSchema": schema}]
    (mcp,) = formats.render([PYTHON], "mcp")
    assert {**named, "title": "Run Python", "inputSchema": schema}.items() <= mcp.items()
    assert "outputSchema" not in mcp


def test_a_strict_tool_has_every_argument_required_and_no_free_object() -> None:
    """What is optional may be null, and a table is text."""
    (tool,) = formats.render([ANALYZE], "openai-responses")
    assert tool["strict"] is True
    assert tool["parameters"] == {
        "type": "object",
        "properties": {
            "data": {"type": "string", "description": "CSV or JSON text"},
            "analysisType": {"type": ["string", "null"], "enum": ["summary", "correlation", "stats", None]},
        },
        "required": ["data", "analysisType"],
        "additionalProperties": False,
    }


def test_the_small_description_has_one_operation_a_tool() -> None:
    """Named as the tool: clients call it by that."""
    described = openapi.describe(TOOLS.values(), "1.2")
    operations = {path: methods["post"] for path, methods in described["paths"].items()}
    assert {path: one["operationId"] for path, one in operations.items()} == {
        f"/code-interpreter/tools/{name}": name for name in TOOLS
    }
    body = operations[f"/code-interpreter/tools/{PYTHON.name}"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == PYTHON.parameters
    assert described["info"]["version"] == "1.2"

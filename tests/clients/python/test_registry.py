"""The gateway's tools, by both registries, and by models that call them."""

from __future__ import annotations

import json
from typing import Any

import pytest

import omega_client as omega
from tests.clients.python.both import Both
from tests.clients.python.llm.test_call import MODELS, base
from tests.contract.models.process import Models
from tests.live import Gateway

pytestmark = pytest.mark.kernel
SEED = ["code_execute_python", "code_generate_chart", "code_analyze_data"]
SALES = [{"month": "Jan", "sales": 1200}, {"month": "Feb", "sales": 1500}]
CHART = "print('drawn')\nplt.bar(['Jan', 'Feb'], [1200, 1500])"


def test_definitions_come_in_the_form_that_is_asked_for(both: Both, gateway: Gateway) -> None:
    """By default that of chat completions."""
    if both.kind == "plain":
        registry = omega.ToolRegistry(gateway.url, gateway.token)
        found, other = registry.get_tool_definitions(SEED), registry.get_tool_definitions(SEED, "anthropic")
        every = registry.get_tool_definitions()
    else:

        async def ask() -> tuple[list[dict[str, Any]], ...]:
            async with omega.AsyncClient(gateway.url, gateway.token) as client:
                asked = omega.AsyncToolRegistry(client)
                get = asked.get_tool_definitions
                return await get(SEED), await get(SEED, "anthropic"), await get()

        found, other, every = both.wait(ask())
    assert [one["function"]["name"] for one in found] == SEED
    assert [one["name"] for one in other if "input_schema" in one] == SEED
    assert len(every) > len(SEED)


def test_a_handler_calls_the_tool(client: omega.Client) -> None:
    """With one mapping or with names; what a model can mend is a result."""
    registry = omega.ToolRegistry(client)
    drawn = registry.get_tool("code_generate_chart").handler({"code": CHART, "session": None})
    assert (drawn.text.partition("\n")[0], drawn.is_error, drawn.session) == ("drawn", False, None)
    assert drawn.images[0].data.startswith(b"\x89PNG")
    assert drawn.answer["run"]["success"] is True
    failed = registry.get_tool("code_execute_python").handler(code="1 / 0")
    assert failed.is_error
    assert str(failed).endswith("ZeroDivisionError: division by zero")
    with pytest.raises(KeyError, match="There is no tool 'code_run': the tools are code_execute_python, "):
        registry.get_tool("code_run")


@pytest.mark.parametrize("provider", MODELS)
def test_the_guides_example_works(both: Both, gateway: Gateway, models: Models, provider: str) -> None:
    """A model analyses, draws and speaks; the tools are given as names, their handlers are the gateway's."""
    turns: list[dict[str, Any]] = [
        {
            "text": "I begin with statistics.",
            "calls": [
                {"name": "code_analyze_data", "arguments": {"data": json.dumps(SALES), "analysisType": "stats"}},
                {"name": "code_generate_chart", "arguments": {"code": CHART}},
            ],
        },
        {"echoes": True},
    ]
    model, said = models.script(*turns), {"role": "user", "content": "Analyze this sales data and create a bar chart."}
    make = omega.ToolRegistry if both.kind == "plain" else None
    registry: Any = (make or (lambda *where: omega.AsyncToolRegistry(*where)))(gateway.url, gateway.token)
    asked = {"model": MODELS[provider], "api_key": "k", "registry": registry}
    _, answer = both.converse(provider, base(model, provider), [said], SEED, **asked)
    statistics, drawn = json.loads(answer.text)
    assert "1350" in statistics["text"]
    assert drawn["text"].startswith("drawn")
    assert drawn["images"] == ([] if provider == "openai" else ["image/png"])
    assert answer.images[0].data.startswith(b"\x89PNG")
    assert len(model.bodies()[0]["tools"][0].get("functionDeclarations", SEED)) == len(SEED)
    registry.client.close()


def test_definitions_find_their_handlers(gateway: Gateway, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the guide: definitions in the default form, and handlers by hand, or by the environment alone."""
    monkeypatch.setenv("OMEGA_URL", gateway.url)
    monkeypatch.setenv("OMEGA_TOKEN", gateway.token)
    registry = omega.ToolRegistry()
    tools = registry.get_tool_definitions(["code_execute_python"])
    turns: list[dict[str, Any]] = [
        {"calls": [{"name": "code_execute_python", "arguments": {"code": "6 * 7"}}]},
        {"echoes": True},
    ]
    for handlers in ({"code_execute_python": registry.get_tool("code_execute_python").handler}, None):
        model = models.script(*turns)
        answer = omega.call_with_tools("anthropic", model.base, "Go.", tools, handlers, model="claude", api_key="k")
        assert json.loads(answer.text)[0]["text"] == "42"
    registry.client.close()
    model = models.script(*turns)
    answer = omega.call_with_tools("anthropic", model.base, "Go.", ["code_execute_python"], model="claude", api_key="k")
    assert json.loads(answer.text)[0]["text"] == "42"
    with pytest.raises(omega.NotFound, match="code_run"):
        omega.call_with_tools("anthropic", model.base, "Go.", ["code_run"], model="claude", api_key="k")

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
        every, none = registry.get_tool_definitions(), registry.get_tool_definitions([])
    else:

        async def ask() -> tuple[list[dict[str, Any]], ...]:
            async with omega.AsyncClient(gateway.url, gateway.token) as client:
                asked = omega.AsyncToolRegistry(client)
                get = asked.get_tool_definitions
                return await get(SEED), await get(SEED, "anthropic"), await get(), await get([])

        found, other, every, none = both.wait(ask())
    assert [one["function"]["name"] for one in found] == SEED
    assert [one["name"] for one in other if "input_schema" in one] == SEED
    assert len(every) > len(SEED)
    assert none == []


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


FORMS = ("openai", "openai-responses", "anthropic", "gemini", "mcp")


@pytest.fixture
def surroundings(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names the gateway."""
    monkeypatch.setenv("OMEGA_URL", gateway.url)
    monkeypatch.setenv("OMEGA_TOKEN", gateway.token)


CALL = {"name": "code_execute_python", "arguments": {"code": "6 * 7"}}
TURNS: list[dict[str, Any]] = [{"calls": [CALL]}, {"echoes": True}]


@pytest.mark.parametrize("given", [*FORMS, "name", "wrapped"])
def test_the_gateways_tools_need_no_handlers(both: Both, models: Models, given: str, surroundings: None) -> None:
    """Given by name, or as definitions of any form, they are found by the environment."""
    tools: list[Any] = ["code_execute_python"]
    if given != "name":
        with omega.Client() as client:
            form = "gemini" if given == "wrapped" else given
            tools = omega.ToolRegistry(client).get_tool_definitions(["code_execute_python"], form)
    if given == "wrapped":
        tools = [{"functionDeclarations": tools}]
    model = models.script(*TURNS)
    _, answer = both.converse("anthropic", model.base, "Go.", tools, model="claude", api_key="k")
    assert json.loads(answer.text)[0]["text"] == "42"


def test_handlers_may_be_the_registrys(client: omega.Client, models: Models) -> None:
    """As the guide passes them."""
    registry = omega.ToolRegistry(client)
    handlers = {name: registry.get_tool(name).handler for name in SEED}
    model = models.script(*TURNS)
    tools = registry.get_tool_definitions(SEED)
    answer = omega.call_with_tools("anthropic", model.base, "Go.", tools, handlers, model="claude", api_key="k")
    assert json.loads(answer.text)[0]["text"] == "42"


def test_a_name_that_the_gateway_does_not_have_is_refused(both: Both, models: Models, surroundings: None) -> None:
    """Before a model is asked."""
    model = models.script(*TURNS)
    with pytest.raises(omega.NotFound, match="code_run"):
        both.converse("anthropic", model.base, "Go.", ["code_run"], model="claude", api_key="k")
    with pytest.raises(ValueError, match="There is no handler for code_run"):
        both.converse("anthropic", model.base, "Go.", [{"name": "code_run", "input_schema": {}}], model="claude")
    assert model.requests() == []

"""Each address with everything behind it faked: what it asks for and what it answers."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gateway.core.model import Json
from gateway.core.request import RunRecord
from gateway.service.examples.gallery import EXAMPLES
from gateway.service.health import HealthReport
from gateway.web.routes import ROUTES
from tests.gateway.web.world import Gateway, json_of

API = "/code-interpreter"
SANDBOX = f"{API}/sandboxes/{{sandbox_id}}"
WITHOUT_BODY = {
    f"{API}/sessions",
    f"{API}/sessions/{{session_id}}/links/{{path:path}}",
    f"{API}/sandboxes",
    f"{SANDBOX}/contexts",
    f"{SANDBOX}/commands/{{command_id}}/signal",
}
GUIDE_BODIES: dict[str, dict[str, Json]] = {
    "python": {"code": "print('Hello, World!')", "timeout": 30000},
    "chart": {"code": "plt.plot([1, 2, 3], [1, 4, 9])\nplt.title('Simple Chart')", "timeout": 30000},
    "analyze": {"data": [{"name": "Alice", "age": 25, "score": 85}], "analysisType": "summary"},
    "math": {"expression": "math.sqrt(144) + np.pi"},
}


@pytest.mark.parametrize("name", GUIDE_BODIES)
async def test_the_guides_bodies_are_run(gateway: Gateway, name: str) -> None:
    """As they stand there."""
    response = await gateway.ask(f"{API}/{name}", GUIDE_BODIES[name])
    assert response.code == 200
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    answer = json_of(response)
    assert (answer["success"], answer["executionTime"], answer["exitCode"]) == (True, 12, 0)
    (asked,) = gateway.runner.asked
    assert asked.task == name
    assert asked.timeout_s == 30.0
    assert gateway.runner.allowances == [gateway.services.settings.allowance]


async def test_install_answers_as_in_the_guide(gateway: Gateway) -> None:
    """success and output; name and version beside them."""
    answer = json_of(await gateway.ask(f"{API}/install", {"package": "numpy"}))
    assert answer == {
        "success": True,
        "output": "numpy-1.0 is already installed\n",
        "error": None,
        "package": "numpy",
        "version": "1.0",
    }


async def test_javascript_answers_with_what_the_code_returned(gateway: Gateway) -> None:
    """``returnValue`` beside the fields of every run, null where there is none; a body not as documented is 400."""
    usual = gateway.runner.answer
    gateway.runner.answer = lambda request: replace(usual(request), return_value={"sum": 15})
    answer = json_of(await gateway.ask(f"{API}/javascript", {"code": "return {sum: 15};"}))
    assert answer["returnValue"] == {"sum": 15}
    gateway.runner.answer = usual
    assert json_of(await gateway.ask(f"{API}/javascript", {"code": "1"}))["returnValue"] is None
    assert "returnValue" not in json_of(await gateway.ask(f"{API}/python", {"code": "1"}))
    assert (await gateway.ask(f"{API}/javascript", {"code": 42})).code == 400


async def test_history_lists_the_callers_own_runs(gateway: Gateway) -> None:
    """Ten by default, with the guide's fields and the time taken; times are UTC."""
    for number in range(30):
        gateway.history.records.append(RunRecord(f"r{number}", "k1", 1769344496.0, "python", f"{number}", True, 0.5))
    gateway.history.records.insert(0, RunRecord("x", "k2", 0.0, "python", "another's", True, 0.5))
    history = json_of(await gateway.ask(f"{API}/history"))["history"]
    assert isinstance(history, list)
    assert len(history) == 10
    assert history[0] == {
        "timestamp": "2026-01-25T12:34:56.000Z",
        "type": "python",
        "code": "0",
        "success": True,
        "executionTime": 500,
    }
    longer = json_of(await gateway.ask(f"{API}/history?limit=25"))["history"]
    assert isinstance(longer, list)
    assert len(longer) == 25
    assert (await gateway.ask(f"{API}/history?limit=0")).code == 400
    assert (await gateway.ask(f"{API}/history?limit=501")).code == 400
    assert (await gateway.ask(f"{API}/history?limit=%FF")).code == 400


async def test_health_is_for_everyone_and_says_little(gateway: Gateway) -> None:
    """The guide's fields and the isolation level, with or without a token."""
    response = await gateway.ask(f"{API}/health", token=None)
    assert response.code == 200
    assert json_of(response) == {
        "status": "healthy",
        "python": {"available": True, "version": "Python 3.11.0"},
        "javascript": {"available": True, "version": "Node.js 24.0.0"},
        "config": {"pythonTimeout": 30000, "javascriptTimeout": 10000, "maxOutputSize": 1048576},
        "isolation": "L3",
    }


async def test_health_is_503_while_no_kernel_can_start(gateway: Gateway) -> None:
    """So that a load balancer looks elsewhere."""
    gateway.health.now = HealthReport(False, "Python 3.11.0", "L3", unavailable_since_utc=1_700_000_000.25)
    response = await gateway.ask(f"{API}/health")
    assert response.code == 503
    assert json_of(response)["status"] == "unhealthy"
    assert json_of(response)["unavailableSince"] == "2023-11-14T22:13:20.250Z"


async def test_head_is_get_without_a_body(gateway: Gateway) -> None:
    """Probes use it."""
    response = await gateway.ask(f"{API}/health", method="HEAD", token=None)
    assert (response.code, response.body) == (200, b"")


async def test_the_gallery_is_listed(gateway: Gateway) -> None:
    """Each with what is needed to send it and the output it has."""
    examples = json_of(await gateway.ask(f"{API}/examples"))["examples"]
    assert isinstance(examples, list)
    assert len(examples) == len(EXAMPLES) >= 12
    for example in examples:
        assert isinstance(example, dict)
        assert set(example) == {"title", "language", "description", "endpoint", "request", "code", "output"}
        shown = {name for name, value in example.items() if value}
        assert shown >= set(example) - ({"output"} if example["language"] == "javascript" else set())  # it may only return


async def test_metrics_are_text_for_prometheus(gateway: Gateway) -> None:
    """In its exposition format."""
    response = await gateway.ask("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert response.body.startswith(b"# HELP omega_runs_total")


async def test_home_says_where_to_go(gateway: Gateway) -> None:
    """Addresses that are there."""
    home = json_of(await gateway.ask("/"))
    paths = [route.path for route in ROUTES]
    assert home["openapi"] in paths
    assert home["examples"] in paths


async def test_the_api_description_has_every_route_and_resolves(gateway: Gateway) -> None:
    """Each address and method, and no reference to a schema that is not there."""
    document = json_of(await gateway.ask("/openapi.json"))
    assert document["openapi"] == "3.1.0"
    paths, components = document["paths"], document["components"]
    assert isinstance(paths, dict)
    assert isinstance(components, dict)
    described = {path: methods for path, methods in paths.items() if isinstance(methods, dict)}
    listed = {(path, name.upper()) for path, methods in described.items() for name in methods if name != "parameters"}
    known = {(route.path.replace(":path}", "}"), method) for route in ROUTES for method in route.endpoint.allowed_methods()}
    assert listed == known
    for path, methods in described.items():
        parameters = methods.get("parameters", [])
        assert isinstance(parameters, list)
        assert [part["name"] for part in parameters if isinstance(part, dict)] == re.findall(r"\{(\w+)\}", path)
        assert "requestBody" not in str(methods.get("get")), path
    schemas = components["schemas"]
    assert isinstance(schemas, dict)
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference


async def test_the_api_description_says_which_bodies_are_needed(gateway: Gateway) -> None:
    """A session, a sandbox and a context can be had without one, and a signal needs none."""
    paths = json_of(await gateway.ask("/openapi.json"))["paths"]
    assert isinstance(paths, dict)
    for route in ROUTES:
        described = paths[route.path.replace(":path}", "}")]
        assert isinstance(described, dict)
        post = described.get("post")
        if route.body is not None and isinstance(post, dict) and isinstance(body := post["requestBody"], dict):
            assert body["required"] is (route.path not in WITHOUT_BODY), route.path


def references(value: Json) -> list[str]:
    """All `$ref` in *value*."""
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if isinstance(value, dict):
        own = [item for name, item in value.items() if name == "$ref" and isinstance(item, str)]
        return own + [found for item in value.values() for found in references(item)]
    return []


def test_examples_are_accepted_by_the_endpoints_they_name() -> None:
    """Each request has the form its endpoint documents."""
    routes = {route.path: route for route in ROUTES}
    for example in EXAMPLES:
        body = routes[example.endpoint].body
        assert body is not None
        body.model_validate(example.request)
    assert len({example.title for example in EXAMPLES}) == len(EXAMPLES)

"""Every operation of the API description, once, on a real gateway: the status, the type and every field are described."""

from __future__ import annotations

import http.client
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator

from gateway.web.routes import ROUTES
from tests.live import HANG_S, Gateway

pytestmark = pytest.mark.kernel

API = "/code-interpreter"
SESSION, KERNEL, NOTEBOOK = f"{API}/sessions/{{session_id}}", "/api/kernels/{kernel_id}", "/api/sessions/{session_id}"
SANDBOX = f"{API}/sandboxes/{{sandbox_id}}"
COMMAND, CONTEXT = f"{SANDBOX}/commands/{{command_id}}", f"{SANDBOX}/contexts/{{context_id}}"
FORM = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a/b.txt"\r\n\r\n1\r\n--x--\r\n'
CELLS = [{"cell_type": "code", "source": "1"}, {"cell_type": "markdown", "source": "x"}]
FRAME = "import pandas as pd\nframe = pd.DataFrame({'a': [1]})\nprint(1)\nopen('new.txt', 'w').write('1')\nframe"
CALLING = json.dumps({"code": "tools.price(item='tea')", "tools": [{"name": "price"}]}).encode()
LARGE = "plt.figure(figsize=(40, 1)); plt.plot([1, 2])"
"""Draws a figure with a side that is too long for models."""
Ids = dict[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One request and what is learnt from its answer for the next ones, whose *body* may be made of that.

    *ends* is the request that ends an endless answer.
    """

    operation: str
    body: object = None
    content_type: str = "application/json"
    parts: Mapping[str, str] = field(default_factory=dict)
    learns: Callable[[Any, Ids], None] | None = None
    ends: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def learn(name: str, part: str = "id") -> Callable[[Any, Ids], None]:
    """Keep *part* of the answer as *name*."""

    def keep(answer: Any, ids: Ids) -> None:
        ids[name] = str(answer[part])

    return keep


def learn_of_download(answer: Any, ids: Ids) -> None:
    """Keep the part of the address of a file that is its secret."""
    ids["link"] = urlsplit(answer["url"]).path.split("/")[3]


def learn_of_link(answer: Any, ids: Ids) -> None:
    """Keep the run and the number of the picture that *answer* links to."""
    parts = urlsplit(answer["links"][0]["uri"]).path.split("/")
    ids["run_id"], ids["number"] = parts[3], parts[5]


STEPS = (
    Step(f"POST {API}/python", {"code": FRAME}),
    Step(f"POST {API}/python", {"code": "1 / 0"}),
    Step(f"POST {API}/python", {"code": "open('b', 'w')", "files": {"a": "1"}, "fetchFiles": ["a"]}),
    Step(
        f"POST {API}/python", CALLING, learns=lambda answer, ids: ids.update(run_id=answer["run"], **answer["toolCalls"][0])
    ),
    Step(f"POST {API}/runs/{{run_id}}/tool-results", lambda ids: {"results": [{"id": ids["id"], "output": 2}]}),
    Step(f"POST {API}/javascript", {"code": "console.log(1); return {a: [1]}"}),
    Step(f"POST {API}/chart", {"code": "plt.plot([1, 2])", "format": "svg"}),
    Step(f"POST {API}/chart", {"code": "1"}),
    Step(f"POST {API}/analyze", {"data": [{"a": 1}, {"a": 2}]}),
    Step(f"POST {API}/math", {"expression": "1 + 1"}),
    Step(f"POST {API}/install", {"package": "numpy"}),
    Step(f"POST {API}/notebook", {"notebook": {"nbformat": 4, "nbformat_minor": 5, "cells": CELLS}}),
    Step(f"GET {API}/health"),
    Step(f"GET {API}/examples"),
    Step(f"POST {API}/sessions", {"name": "described", "timeout": 60_000.0}, learns=learn("session_id")),
    Step(f"GET {API}/sessions"),
    Step(f"GET {SESSION}"),
    Step(f"POST {SESSION}/execute", {"code": FRAME, "fetchFiles": ["*.txt"]}),
    Step(f"POST {SESSION}/execute", {"code": "import matplotlib.pyplot as plt; plt.plot([1])", "type": "chart"}),
    Step(f"POST {SESSION}/interrupt"),
    Step(f"GET {SESSION}/variables"),
    Step(f"GET {SESSION}/variables/{{name}}", parts={"name": "frame"}),
    Step(f"GET {SESSION}/variables/{{name}}", parts={"name": "frame"}, headers={"Accept": "text/csv"}),
    Step(f"POST {SESSION}/files", FORM, "multipart/form-data; boundary=x"),
    Step(f"PUT {SESSION}/files/{{path}}", b"\0\xff", "application/octet-stream", {"path": "data/c"}),
    Step(f"GET {SESSION}/files"),
    Step(f"GET {SESSION}/files/{{path}}", parts={"path": "data/c"}),
    Step(f"GET {SESSION}/files/{{path}}", parts={"path": "data/c"}, headers={"Range": "bytes=0-0"}),
    Step(f"GET {SESSION}/entries/{{path}}", parts={"path": "data/c"}),
    Step(f"PUT {SESSION}/entries/{{path}}", parts={"path": "more/deep"}),
    Step(f"PATCH {SESSION}/entries/{{path}}", {"path": "more/c"}, parts={"path": "data/c"}),
    Step(f"POST {SESSION}/links/{{path}}", {}, parts={"path": "more/c"}, learns=learn_of_download),
    Step(f"GET {API}/downloads/{{link}}/{{path}}", parts={"path": "more/c"}),
    Step(f"DELETE {SESSION}/files/{{path}}", parts={"path": "more/c"}),
    Step(f"GET {SESSION}/notebook"),
    Step(f"POST {SESSION}/restart", {}),
    Step(f"DELETE {SESSION}"),
    Step(f"POST {API}/sessions", {}, learns=learn("session_id")),
    Step(f"GET {SESSION}/events", ends=f"DELETE {SESSION}"),
    Step(f"POST {API}/sessions", {}, learns=learn("session_id")),
    Step(f"GET {SESSION}/changes", ends=f"DELETE {SESSION}"),
    Step(f"POST {API}/sandboxes", {"name": "described"}, learns=learn("sandbox_id")),
    Step(f"GET {API}/sandboxes"),
    Step(f"GET {SANDBOX}"),
    Step(f"POST {SANDBOX}/extend", {"lifetime": 600_000.0}),
    Step(f"POST {SANDBOX}/contexts", {"language": "python"}, learns=learn("context_id")),
    Step(f"GET {SANDBOX}/contexts"),
    Step(f"POST {CONTEXT}/restart", {}),
    Step(f"DELETE {CONTEXT}"),
    Step(f"POST {SANDBOX}/commands", {"command": "echo 1"}),
    Step(f"POST {SANDBOX}/commands", {"command": "cat", "stdinOpen": True, "background": True}, learns=learn("command_id")),
    Step(f"GET {SANDBOX}/commands"),
    Step(f"GET {COMMAND}"),
    Step(f"POST {COMMAND}/stdin", {"text": "1\n"}),
    Step(f"POST {COMMAND}/signal", {"signal": "SIGTERM"}),
    Step(f"GET {COMMAND}/events"),
    Step(f"DELETE {SANDBOX}"),
    Step(f"GET {API}/tools"),
    Step(f"GET {API}/tools/openapi.json"),
    Step(f"POST {API}/tools/{{name}}", {"code": "plt.plot([1])"}, parts={"name": "code_generate_chart"}),
    Step(f"POST {API}/tools/{{name}}", {"code": LARGE}, parts={"name": "code_generate_chart"}, learns=learn_of_link),
    Step(f"GET {API}/runs/{{run_id}}/charts/{{number}}"),
    Step("POST /mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
    Step(f"GET {API}/history"),
    Step("GET /api"),
    Step("GET /api/me"),
    Step("GET /api/kernelspecs", learns=learn("name", "default")),
    Step("GET /api/kernelspecs/{name}"),
    Step("GET /kernelspecs/{name}/{resource}", parts={"resource": "logo-svg.svg"}),
    Step("GET /kernelspecs/{name}/{resource}", parts={"resource": "logo-64x64.png"}),
    Step("POST /api/kernels", {"kernel_id": str(uuid.uuid4())}, learns=learn("kernel_id")),
    Step("GET /api/kernels"),
    Step(f"GET {KERNEL}"),
    Step(f"POST {KERNEL}/interrupt"),
    Step(f"POST {KERNEL}/restart"),
    Step("GET /api/status"),
    Step(f"DELETE {KERNEL}"),
    Step(
        "POST /api/sessions",
        {"path": "a.ipynb", "name": "a", "type": "notebook", "kernel": {"name": ""}},
        learns=learn("session_id"),
    ),
    Step("GET /api/sessions"),
    Step(f"GET {NOTEBOOK}"),
    Step(f"PATCH {NOTEBOOK}", {"name": "b"}),
    Step(f"DELETE {NOTEBOOK}"),
    Step("GET /api/swagger.json"),
    Step("GET /api/swagger.yaml"),
    Step("GET /metrics"),
    Step("GET /openapi.json"),
    Step("GET /"),
)
STREAMED = [f"{operation.method} {route.path}" for route in ROUTES for operation in route.operations if operation.streams]


@dataclass(slots=True)
class Described:
    """A gateway and what it says of itself, read strictly: a field that is not described is a fault."""

    gateway: Gateway
    document: Any
    ids: Ids = field(default_factory=dict)

    def send(self, step: Step, accept: str = "*/*") -> tuple[int, str, bytes]:
        """Status, content type and body of the answer to *step*."""
        method, _, path = step.operation.partition(" ")
        address = path.format(**{**self.ids, **step.parts})
        said = step.body(self.ids) if callable(step.body) else step.body
        body = said if isinstance(said, bytes | None) else json.dumps(said).encode()
        headers = {"Authorization": f"Bearer {self.gateway.token}", "Accept": accept, **step.headers}
        if body is not None:
            headers["Content-Type"] = step.content_type
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=HANG_S)
        try:
            connection.request(method, address, body, headers)
            answer = connection.getresponse()
            if step.ends:
                assert self.send(Step(step.ends))[0] == 200
            return answer.status, answer.headers.get_content_type(), answer.read()
        finally:
            connection.close()

    def check(self, step: Step) -> None:
        """Send *step* and hold the answer against the description."""
        method, _, path = step.operation.partition(" ")
        responses = self.document["paths"][path][method.lower()]["responses"]
        status, kind, body = self.send(step)
        described, *_ = ("206",) if "Range" in step.headers else responses
        assert status == int(described), (step, body)
        assert described in responses
        content = responses[described].get("content", {})
        if not content:
            assert body == b""
            return
        assert kind in content, (step, kind)
        if "json" in kind or "yaml" in kind:
            schema = {**content[kind]["schema"], "components": self.document["components"]}
            value = json.loads(body)
            faults = [error.message for error in Draft202012Validator(schema).iter_errors(value)]
            assert not faults, (step.operation, faults)
            if step.learns is not None:
                step.learns(value, self.ids)


def closed(schema: Any) -> Any:
    """*schema* without room for what is not in it."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(item) for name, item in schema.items()}
    return (
        {"additionalProperties": False, **inner}
        if isinstance(schema.get("properties"), dict) and "type" in schema
        else inner
    )


@pytest.fixture
def described(gateway: Gateway) -> Described:
    """The session's gateway with its own description."""
    document = gateway.ask("GET", "/openapi.json").body
    document["components"]["schemas"] = closed(document["components"]["schemas"])
    return Described(gateway, document)


def test_every_operation_answers_as_described(described: Described) -> None:
    """With success once at least, in an order in which each finds what it needs."""
    for step in STEPS:
        described.check(step)


def test_no_operation_is_left_out() -> None:
    """A new address needs a step here."""
    known = {
        f"{operation.method} {re.sub(r':path}', '}', route.path)}" for route in ROUTES for operation in route.operations
    }
    assert {step.operation for step in STEPS} == known


def test_what_is_described_as_events_can_be_had_as_events(described: Described) -> None:
    """And nothing else can: an Accept header that names them changes no other answer."""
    made = described.gateway.ask("POST", f"{API}/sessions", {}).body
    described.ids["session_id"] = made["id"]
    written = described.gateway.ask("POST", f"{API}/sessions/{made['id']}/execute", {"code": "1", "files": {"more/c": "1"}})
    assert written.status == 200
    for step in STEPS:
        if step.operation in (f"POST {API}/sandboxes", f"POST {SANDBOX}/contexts") or "stdinOpen" in str(step.body):
            described.check(step)
    for step in STEPS:
        if (
            step.operation.startswith(f"POST {API}")
            and isinstance(step.body, dict)
            and not step.operation.endswith("sessions")
            and "background" not in step.body  # its answer comes at once
        ):
            status, kind, _ = described.send(step, "text/event-stream")
            assert status == 200, step
            assert (kind == "text/event-stream") is (step.operation in STREAMED), step.operation
    assert described.gateway.ask("DELETE", f"{API}/sessions/{made['id']}").status == 200
    for sandbox in described.gateway.ask("GET", f"{API}/sandboxes").body["sandboxes"]:
        assert described.gateway.ask("DELETE", f"{API}/sandboxes/{sandbox['id']}").status == 200

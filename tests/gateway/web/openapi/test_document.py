"""The API description says of each address what is there, and of each field what is checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.core.errors import BadRequest
from gateway.core.files import parse_path
from gateway.core.limits import KeyLimits, Timeouts
from gateway.core.request import Allowance, Caller
from gateway.service.packages.installer import _NAME as PACKAGE_NAME
from gateway.web.api import (
    entry_bodies,
    host_answers,
    links,
    notebook_bodies,
    patterns,
    run_bodies,
    sandbox_bodies,
    session_bodies,
)
from gateway.web.caller_limits import CallerLimits
from gateway.web.jupyter.endpoint import JupyterEndpoint
from gateway.web.openapi.document import InForce, describe_api
from gateway.web.operations import Operation
from gateway.web.routes import ROUTES, Route
from gateway.web.services import WebSettings
from tests.gateway.web.world import FakeKeys, json_of, serve

TIMES, IDLE = Timeouts(1.0, 77.0), Timeouts(1.0, 99.0)
LIMITS = CallerLimits(TIMES, TIMES, Allowance())
IN_FORCE = InForce("1", 77_000, 99_000, ["python3"])
DOCUMENT: Any = describe_api(ROUTES, IN_FORCE)
SCHEMAS: Any = DOCUMENT["components"]["schemas"]
OPERATIONS = [(route, operation) for route in ROUTES for operation in route.operations]
NAMES = [f"{operation.method} {route.path}" for route, operation in OPERATIONS]
CELL = {"cell_type": "code", "source": "1"}
NOTEBOOK = {"nbformat": 4, "nbformat_minor": 5, "cells": [CELL]}
Parse = Callable[[bytes], object]
BODIES: dict[str, tuple[Parse, dict[str, Any]]] = {
    "PythonBody": (lambda body: run_bodies.parse_python(body, TIMES), {"code": "1"}),
    "JavascriptBody": (lambda body: run_bodies.parse_javascript(body, TIMES), {"code": "1"}),
    "ChartBody": (lambda body: run_bodies.parse_chart(body, TIMES), {"code": "1"}),
    "AnalyzeBody": (lambda body: run_bodies.parse_analyze(body, TIMES), {"data": "a\n1"}),
    "MathBody": (lambda body: run_bodies.parse_math(body, TIMES), {"expression": "1"}),
    "ResultsBody": (lambda body: host_answers.parse_results(body, 500), {"results": []}),
    "InstallBody": (run_bodies.parse_install, {"package": "six"}),
    "NewSessionBody": (lambda body: session_bodies.parse_new_session(body, TIMES, TIMES, IDLE), {}),
    "ExecuteBody": (lambda body: session_bodies.parse_execute(body, "s", "python", TIMES), {"code": "1"}),
    "NothingBody": (session_bodies.parse_nothing, {}),
    "EntryBody": (entry_bodies.parse_change, {}),
    "LinkBody": (lambda body: run_bodies.read(links.LinkBody, body), {}),
    "NewSandboxBody": (lambda body: sandbox_bodies.parse_new_sandbox(body, LIMITS, IDLE), {}),
    "ExtensionBody": (lambda body: sandbox_bodies.parse_extension(body, IDLE), {"lifetime": 1}),
    "NewContextBody": (lambda body: sandbox_bodies.parse_new_context(body, LIMITS), {}),
    "NewCommandBody": (lambda body: sandbox_bodies.parse_new_command(body, TIMES), {"command": "1"}),
    "StdinBody": (sandbox_bodies.parse_stdin, {}),
    "SignalBody": (sandbox_bodies.parse_signal, {}),
    "NotebookBody": (lambda body: notebook_bodies.parse_notebook(body, TIMES, TIMES), {"notebook": NOTEBOOK}),
}
"""For each model: what checks it with the limits of IN_FORCE, and the least that passes."""
KEYWORDS = {
    *("type", "enum", "const", "anyOf", "oneOf", "$ref", "properties", "required", "additionalProperties"),
    *("propertyNames", "patternProperties", "items", "minItems", "maxItems", "uniqueItems", "minimum", "maximum"),
    *("not", "minLength", "maxLength", "maxProperties", "pattern", "format", "title", "description", "default"),
}
SHAPES = ("properties", "patternProperties")


def is_taken(parse: Parse, body: object) -> bool:
    """Whether *body* passes; whatever does not is a BadRequest."""
    try:
        parse(orjson.dumps(body))
    except BadRequest:
        return False
    return True


def model_of(name: str) -> Any:
    """The schema of a model; that of a notebook is one of two forms of its body."""
    return SCHEMAS[name]["anyOf"][1] if name == "NotebookBody" else SCHEMAS[name]


@pytest.mark.parametrize(("route", "operation"), OPERATIONS, ids=NAMES)
def test_each_address_says_what_it_takes_and_gives(route: Route, operation: Operation) -> None:
    """Its success status, the schema and the type of its answer and of its body, its parameters, its errors."""
    path: Any = DOCUMENT["paths"][route.path.replace(":path}", "}")]
    said = path[operation.method.lower()]
    responses = said["responses"]
    of_parts = ["206", "304", "416"] if operation.has_parts else []
    assert list(responses) == [str(operation.status), *of_parts, "503", "default"]
    content = responses[str(operation.status)].get("content", {})
    assert set(content) == {
        *operation.content_types,
        *(["text/event-stream"] if operation.streams else []),
        *(["text/csv"] if operation.has_csv else []),
    } or (operation.status == 204 and not content)
    for kind in operation.content_types if content else ():
        assert content[kind] == {"schema": {"$ref": f"#/components/schemas/{operation.answer}"}}
    for status in ("503", "default"):
        assert list(responses[status]["content"]) == ["application/json"]
    of_headers = ["Range", "If-Range", "If-None-Match", "Accept-Encoding", "If-Modified-Since"]
    of_headers = of_headers if operation.has_parts else ["Content-Encoding"] if operation.takes_gzip else []
    taken = said.get("requestBody", {"content": {}})["content"]
    form = ["multipart/form-data"] if operation.takes_form else []
    assert list(taken) == ([operation.takes_type, *form] if operation.takes else [])
    assert [part["name"] for part in path.get("parameters", [])] == re.findall(r"\{(\w+)", route.path)
    assert [part["name"] for part in said.get("parameters", [])] == [
        *(name.rpartition(".")[2] for name in operation.query),
        *of_headers,
    ]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.path))
def test_the_table_has_every_method_of_every_endpoint(route: Route) -> None:
    """And each one once; a summary is one sentence."""
    assert sorted(operation.method for operation in route.operations) == sorted(route.endpoint.allowed_methods())
    assert (route.endpoint.__doc__ or "").partition("\n")[0].endswith(".")


def test_no_two_operations_have_one_name() -> None:
    """Programs that make clients from the description name their functions by it."""
    said: Any = DOCUMENT["paths"]
    ids = [method["operationId"] for path in said.values() for name, method in path.items() if name != "parameters"]
    assert len(ids) == len(set(ids)) == len(OPERATIONS)


def schemas_in(schema: object) -> Iterator[dict[str, Any]]:
    """*schema* and all in it."""
    if isinstance(schema, list):
        for item in schema:
            yield from schemas_in(item)
    elif isinstance(schema, dict):
        yield schema
        for word, value in schema.items():
            if word in SHAPES:
                for field in value.values():
                    yield from schemas_in(field)
            elif word not in ("enum", "const", "default", "required"):
                yield from schemas_in(value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one(name: str) -> None:
    """Of JSON Schema's own words (others, such as pydantic's ``ge``, would say nothing to its readers), used as meant."""
    Draft202012Validator.check_schema(SCHEMAS[name])
    for schema in schemas_in(SCHEMAS[name]):
        assert set(schema) <= KEYWORDS, schema
        kinds = schema.get("type", "any")
        if {"maxLength", "minLength", "pattern"} & set(schema):
            assert "string" in kinds, schema
        if {"maxProperties", "propertyNames"} & set(schema):
            assert "object" in kinds, schema
        if "minimum" in schema:
            assert kinds in ("integer", "number"), schema


def test_every_schema_is_used_and_every_model_tried() -> None:
    """Nothing is left over, and nothing is described that BODIES does not check below."""
    used = {word for route in ROUTES for operation in route.operations for word in (operation.answer, operation.busy)}
    taken = {operation.takes for _, operation in OPERATIONS if operation.takes}
    models = {model.__name__ for model in taken if not isinstance(model, str)}
    refs = set(re.findall(r"#/components/schemas/(\w+)", str(DOCUMENT)))
    assert refs == set(SCHEMAS)
    assert (used | {model for model in taken if isinstance(model, str)}) - {""} <= refs
    assert set(BODIES) == models


# ---- each limit of a field: the last value that passes, and the first that does not ---------------------------------------


def edges(name: str, schema: Any) -> Iterator[tuple[object, bool]]:
    """Values of the field *name* at and beyond what *schema* allows, and whether they are allowed."""
    for form in schema.get("anyOf", [schema]):
        kind = form.get("type")
        if kind == "null":
            yield None, True
        if kind in ("number", "integer"):
            yield from ((form["minimum"], True), (form["maximum"], True), (float(form["maximum"]), True))
            yield from ((form["minimum"] - 1, False), (form["maximum"] + 1, False), ("1", False), (True, False))
        if kind == "integer":
            yield form["minimum"] + 0.5, False
        if "enum" in form:
            yield from ((value, True) for value in form["enum"])
            yield "none of these", False
        if kind == "boolean":
            yield from ((True, True), (False, True), (1, False), ("true", False))
        if kind == "array" and "enum" in form["items"]:
            yield from (([], True), (form["items"]["enum"], True), (["none of these"], False), ([1], False), ({}, False))
        if "maxLength" in form:
            unit = "a/" if name == "cwd" else "1"
            yield (unit * form["maxLength"])[: form["maxLength"]], True
            yield (unit * form["maxLength"])[: form["maxLength"]] + "1", False
        if "minLength" in form:
            yield "1" * form["minLength"], True
            yield "1" * (form["minLength"] - 1), False
        if name == "tools":
            yield from tools_edges(form["maxItems"])
        elif name == "command" and "maxItems" in form:
            yield from ((["/a"] * form["maxItems"], True), (["a"] * (form["maxItems"] + 1), False))
            yield from (([""], True), (["\0"], False), ([], False), ([1], False))
        elif "maxItems" in form:
            yield from ((["a/*.csv"] * form["maxItems"], True), (["a"] * (form["maxItems"] + 1), False))
            yield from ((["/a"], False), (["../a"], False), ([""], False), ([1], False), ("a", False))
        if name == "files":
            yield from files_edges(form["maxProperties"])
        elif name == "metadata":
            yield {f"a/{number}": "" for number in range(form["maxProperties"])}, True
            yield {f"a/{number}": "" for number in range(form["maxProperties"] + 1)}, False
            yield from (({"a": "\0"}, False), ({"": ""}, False), ({"a" * 128: ""}, True), ({"a" * 129: ""}, False))
            yield from (({"a\n": ""}, False), ({"a": 1}, False))
        elif "maxProperties" in form:
            yield {f"A{number}": "" for number in range(form["maxProperties"])}, True
            yield {f"A{number}": "" for number in range(form["maxProperties"] + 1)}, False
            yield from (({"A": "\0"}, False), ({"1A": ""}, False), ({"A" * 128: ""}, True), ({"A" * 129: ""}, False))
            yield {"A": 1}, False


def tools_edges(most: int) -> Iterator[tuple[object, bool]]:
    """The same for tools that code can call."""
    yield [{"name": f"a{number}"} for number in range(most)], True
    yield [{"name": f"a{number}"} for number in range(most + 1)], False
    for name in ("A", "a_1", "a" * 64):
        yield [{"name": name, "description": "", "parameters": {"properties": {}}}], True
    wrong: list[object] = ["", "_a", "1", "a" * 65, "a-b", "ä", "def", "None", 1, None]
    yield from (([{"name": name}], False) for name in wrong)
    bad: list[object] = [{}, 1, {"name": "a", "description": 1}, {"name": "a", "parameters": []}, {"name": "a", "more": 1}]
    yield from (([tool], False) for tool in [*bad, {"name": "a", "parameters": {"properties": []}}])
    yield {"name": "a"}, False


def files_edges(most: int) -> Iterator[tuple[object, bool]]:
    """The same for files by their paths."""
    yield {f"a/{number}": "" for number in range(most)}, True
    yield {f"{number}": "" for number in range(most + 1)}, False
    for path in ("/a", "a/", "a//b", "..", "a/../b", "./a", "", "a\0", "a" * 256):
        yield {path: ""}, False
    good: list[object] = ["\0", {"base64": ""}, {"base64": "AA=="}, {"base64": "AAAA"}]
    bad: list[object] = [1, None, [], {}, {"base64": 1}, {"base64": "A"}, {"base64": "AA"}, {"base64": "AA==", "b": ""}]
    yield from (({"a": contents}, contents in good) for contents in (*good, *bad))


@pytest.mark.parametrize("name", BODIES)
def test_each_limit_in_the_description_is_the_one_in_force(name: str) -> None:
    """What is described as allowed passes, what is not is refused. 180.0 is a whole number, as JSON Schema says."""
    parse, least = BODIES[name]
    schema = model_of(name)
    assert set(schema.get("required", [])) == set(least)
    assert is_taken(parse, least)
    tried = 0
    for field, said in schema.get("properties", {}).items():
        for value, is_allowed in edges(field, said):
            assert is_taken(parse, {**least, field: value}) is is_allowed, (field, value)
            tried += 1
    assert schema["additionalProperties"] is False
    assert not is_taken(parse, {**least, "unheard_of": 1})
    assert tried or name in ("InstallBody", "NothingBody", "ResultsBody")


@pytest.mark.parametrize(
    "notebook",
    [
        {},
        {**NOTEBOOK, "nbformat": 4.0, "nbformat_minor": 5.0},
        {**NOTEBOOK, "nbformat": 3},
        {**NOTEBOOK, "nbformat_minor": 0.5},
        {**NOTEBOOK, "nbformat_minor": True},
        {**NOTEBOOK, "more": 1},
        {**NOTEBOOK, "cells": [CELL] * 1000},
        {**NOTEBOOK, "cells": [CELL] * 1001},
        {**NOTEBOOK, "cells": {}},
        *({**NOTEBOOK, "cells": [{**CELL, "id": name}]} for name in ("a", "", "a b", "x" * 64, "x" * 65, None, 1)),
        *({**NOTEBOOK, "cells": [{**CELL, "source": source}]} for source in ("", ["a\n", "b"], [1], 1, "\0", ["\0"])),
        *({**NOTEBOOK, "cells": [{**CELL, "cell_type": kind}]} for kind in ("raw", "markdown", "heading", 1)),
        *(
            {**NOTEBOOK, "cells": [{**CELL, "metadata": {"tags": tags}}]}
            for tags in ([], ["a"], ["a", "a"], ["a,b"], [1], 1)
        ),
        *({**NOTEBOOK, "cells": [{**CELL, "metadata": {"name": name}}]} for name in ("a", "", "a\nb")),
        *({**NOTEBOOK, "cells": [{**CELL, "metadata": {"scrolled": how}}]} for how in (True, "auto", "no", 1)),
        *({**NOTEBOOK, "cells": [{**CELL, "metadata": {"execution": how}}]} for how in ({}, {"a": "b"}, {"a": 1}, 1)),
        {**NOTEBOOK, "cells": [{**CELL, "attachments": {}}]},
        *(
            {**NOTEBOOK, "cells": [{**CELL, "cell_type": "raw", "attachments": {"f": bundle}}]}
            for bundle in ({"image/png": "x"}, {"image/png": ["x"]}, {"image/png": 1}, {"application/x+json": 1}, 1)
        ),
        *({**NOTEBOOK, "metadata": {"language_info": info}} for info in ({"name": "python"}, {"name": "r"}, {}, 1)),
        {**NOTEBOOK, "metadata": {"kernelspec": {"name": "python3", "display_name": "P"}}},
        {**NOTEBOOK, "metadata": {"kernelspec": {"name": "mine", "display_name": "P", "language": "python"}}},
        {**NOTEBOOK, "metadata": {"kernelspec": {"name": "mine", "display_name": "P"}}},
        {**NOTEBOOK, "metadata": {"kernelspec": {"name": "python3"}}},
        *({**NOTEBOOK, "metadata": {"orig_nbformat": number}} for number in (0, 1, 1.0, 1.5)),
        *({**NOTEBOOK, "metadata": {"authors": authors}} for authors in ([], ["a"], "a")),
    ],
    ids=lambda notebook: repr(notebook)[-60:],
)
def test_a_notebook_is_one_by_its_description_when_it_is_taken(notebook: Any) -> None:
    """By itself and beside what is asked of it; that two cells have the same id is the one thing no schema can say."""
    validator = Draft202012Validator({"$ref": "#/components/schemas/NotebookBody", "components": {"schemas": SCHEMAS}})
    parse, _ = BODIES["NotebookBody"]
    wrapped = {"notebook": notebook, "timeout": 5}
    assert validator.is_valid(wrapped) is is_taken(parse, wrapped)
    assert validator.is_valid(notebook) is is_taken(parse, notebook)


@pytest.mark.parametrize(
    "row",
    [
        {"id": "a", "output": None},
        {"id": "a", "output": {"b": [1]}},
        {"id": "a", "error": "no"},
        {"id": "a" * 64, "output": 1},
        *({"id": name, "output": 1} for name in ("", "a b", "a" * 65, 1)),
        {"id": "a", "error": None},
        {"id": "a", "error": {}},
        *({"id": "a"}, {"output": 1}, {"id": "a", "output": 1, "error": "no"}, {"id": "a", "output": 1, "more": 1}, [], 1),
    ],
    ids=lambda row: repr(row)[:60],
)
def test_a_result_of_a_tool_is_one_by_its_description_when_it_is_taken(row: Any) -> None:
    """An output or an error, for an id."""
    validator = Draft202012Validator(SCHEMAS["ResultsBody"])
    assert validator.is_valid({"results": [row]}) is is_taken(BODIES["ResultsBody"][0], {"results": [row]})


# ---- each pattern and the check it stands for ---------------------------------------------------------------------------

TEXTS = st.text(st.one_of(st.sampled_from("./\0\n\t \x1c\x85\u2028ab-_"), st.characters(codec="utf-8")), max_size=12)


@given(TEXTS)
@example("\x1c\ufeff")
@example("")
def test_code_is_described_as_it_is_checked(text: str) -> None:
    """Not blank, as Python sees it, and without NUL."""
    assert bool(re.search(patterns.SOURCE, text)) is is_taken(BODIES["PythonBody"][0], {"code": text})


@given(TEXTS)
@example("a/.../..b/.c")
@example("a//b/")
@example("./" + "x" * 255)
@example("x" * 256)
def test_directories_and_names_are_described_as_they_are_checked(text: str) -> None:
    """The empty directory is the work directory itself."""
    parse = BODIES["NewSessionBody"][0]
    assert bool(re.fullmatch(patterns.DIRECTORY, text)) is is_taken(parse, {"cwd": text})
    assert bool(re.fullmatch(patterns.ONE_LINE, text[:128])) is is_taken(parse, {"name": text[:128]})


@given(TEXTS)
@example("a/.../..b/.c")
@example(".")
@example("..x/...")
@example("x" * 255)
@example("x" * 256)
def test_files_are_described_as_they_are_checked(text: str) -> None:
    """But for lengths in bytes, which no pattern counts."""
    try:
        parse_path(text.encode())
        is_file = True
    except BadRequest:
        is_file = False
    assert bool(re.fullmatch(patterns.FILE, text)) is is_file


@given(st.text("01789o", max_size=5))
@example("0755")
@example("755")
@example("0755\n")
def test_modes_are_described_as_they_are_checked(text: str) -> None:
    """Octal digits."""
    assert bool(re.search(patterns.MODE, text)) is is_taken(entry_bodies.parse_change, {"mode": text}) or "\n" in text


@given(st.text("aZ09._-+ \n", max_size=8))
def test_packages_are_described_as_they_are_checked(text: str) -> None:
    """A bare name."""
    assert bool(re.fullmatch(patterns.PACKAGE, text)) is bool(PACKAGE_NAME.fullmatch(text))


# ---- what depends on who asks ---------------------------------------------------------------------------------------------


async def test_the_description_has_the_times_of_the_gateway_and_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with a limit of its own gets that; 503 of health has the form of health."""
    settings = WebSettings(python=TIMES, javascript=TIMES, session_idle=IDLE)
    async with serve(settings) as gateway:

        async def maxima() -> tuple[object, object]:
            said: Any = json_of(await gateway.ask("/openapi.json"))["components"]
            fields = said["schemas"]["NewSessionBody"]["properties"]
            timeout, idle = (fields[name]["anyOf"][0]["maximum"] for name in ("timeout", "idleTimeout"))
            return timeout, idle

        assert await maxima() == (77_000, 99_000)
        limits = KeyLimits(max_timeout_s=5)
        monkeypatch.setattr(FakeKeys, "admit", lambda *_: Caller("k1", "test", limits))
        assert await maxima() == (5_000, 99_000)
        body: Any = json_of(await gateway.ask("/openapi.json"))
        assert body["paths"]["/code-interpreter/health"]["get"]["responses"]["503"]["content"]["application/json"] == {
            "schema": {"$ref": "#/components/schemas/Health"}
        }


async def test_the_description_of_the_jupyter_api_has_its_methods_and_parameters() -> None:
    """As Swagger 2.0 asks: each part of an address is a parameter; the statuses are those of the route table."""
    async with serve(WebSettings()) as gateway:
        said: Any = json_of(await gateway.ask("/api/swagger.json"))
    for route in ROUTES:
        if not issubclass(route.endpoint, JupyterEndpoint):
            continue
        for operation in route.operations:
            method = said["paths"][route.path][operation.method.lower()]
            assert list(method["responses"]) == [str(operation.status), "default"]
            parts = [part["name"] for part in method["parameters"] if part["in"] == "path"]
            assert parts == re.findall(r"\{(\w+)\}", route.path)
            assert [part["in"] for part in method["parameters"]].count("body") == bool(operation.takes)

"""The API's description for machines, made from the routes and the request models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol, cast

from pydantic.json_schema import models_json_schema

from gateway.core.model import Json
from gateway.web.endpoint import Endpoint
from gateway.web.services import Answer
from gateway.web.wire import Body

_PART = re.compile(r"\{(\w+)(?::path)?\}")
"""A part of a route's path, as in web.routes; the standard knows none with slashes in it."""


class RouteEntry(Protocol):
    """What is described of a route; see web.routes.Route."""

    @property
    def path(self) -> str: ...
    @property
    def endpoint(self) -> type[Endpoint]: ...
    @property
    def body(self) -> type[Body] | None: ...
    @property
    def answer(self) -> str: ...


class ApiDescription(Endpoint):
    """This description of the API, as OpenAPI 3.1."""

    async def on_get(self) -> Answer:
        return describe_api(self.settings["routes"], self.services.settings.version)


def describe_api(routes: Iterable[RouteEntry], version: str) -> Answer:
    """An OpenAPI 3.1 document of *routes*."""
    listed = list(routes)
    _, models = models_json_schema(
        [(route.body, "validation") for route in listed if route.body is not None],
        ref_template="#/components/schemas/{model}",
    )
    schemas = cast(Answer, {**models.get("$defs", {}), **ANSWERS})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Omega Gateway",
            "version": version,
            "description": "Runs code in a fresh, isolated kernel. Code that fails is a successful request: "
            "200 with success false.",
        },
        "security": [{"token": []}],
        "paths": {_PART.sub(r"{\1}", route.path): _describe_path(route) for route in listed},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe_path(route: RouteEntry) -> Json:
    methods = {method.lower(): _describe_method(route, method) for method in route.endpoint.allowed_methods()}
    parts: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": TEXT} for name in _PART.findall(route.path)
    ]
    return {**methods, **({"parameters": parts} if parts else {})}


def _describe_method(route: RouteEntry, method: str) -> Json:
    summary = (route.endpoint.__doc__ or "").partition("\n")[0]
    described: dict[str, Json] = {
        "summary": summary,
        "operationId": f"{method.lower()}_{route.endpoint.__name__}",
        "responses": {
            "200": _content("The answer.", route.answer),
            "default": _content("The request was not carried out.", "Failure"),
        },
    }
    if route.endpoint.public:
        described["security"] = []
    if route.body is not None and method in ("POST", "PUT"):
        described["requestBody"] = {"required": route.endpoint.needs_body, **_json(route.body.__name__)}
    if route.answer == "History":
        described["parameters"] = [LIMIT]
    return described


def _content(description: str, schema: str) -> dict[str, Json]:
    if schema == "Text":
        return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}
    content: dict[str, Json] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    if schema in STREAMED:
        content["text/event-stream"] = {"schema": {"type": "string", "description": EVENTS}}
    return {"description": description, "content": content}


def _json(schema: str) -> dict[str, Json]:
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _object(required: str = "", **properties: Json) -> Json:
    return {"type": "object", "required": [*required.split()], "properties": dict(properties)}


def _list(of: Json) -> Json:
    return {"type": "array", "items": of}


STREAMED = ("Run", "ChartRun", "SessionRun")
EVENTS = "Server-sent events, when the Accept header asks for them: what happens as it happens, and 'done' at the end."
LIMIT: Json = {
    "name": "limit",
    "in": "query",
    "description": "How many runs to list, the newest first.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 500, "default": 10},
}
TEXT: Json = {"type": "string"}
FLAG: Json = {"type": "boolean"}
WHOLE: Json = {"type": "integer"}
ANY: Json = {"type": "object"}
SIZE: Json = {"type": ["integer", "null"], "description": "bytes"}
ERROR = _object("type message", type=TEXT, message=TEXT, code=TEXT, traceback={"type": ["string", "null"]})
CHART = _object("base64 mimeType", base64=TEXT, mimeType=TEXT, svg=TEXT)
RUN_FIELDS: dict[str, Json] = {
    "success": FLAG,
    "output": {"type": "string", "description": "stdout and stderr in the order written"},
    "error": {"oneOf": [{"$ref": "#/components/schemas/Error"}, {"type": "null"}]},
    "variables": ANY,
    "executionTime": {"type": "integer", "description": "milliseconds"},
    "exitCode": WHOLE,
    "stdout": TEXT,
    "stderr": TEXT,
    "results": _list(_object("type data", type={"enum": ["display", "result"]}, data=ANY)),
    "charts": _list({"$ref": "#/components/schemas/Chart"}),
    "truncated": FLAG,
    "limits": _list({"enum": ["timeout", "memory", "output", "cpu", "kernel_died"]}),
    "usage": _object("cpuTime wallTime peakMemory", cpuTime=WHOLE, wallTime=WHOLE, peakMemory=WHOLE),
    "kernelReplaced": FLAG,
    "files": _list(
        _object(
            "path urlPath change", path=TEXT, urlPath=TEXT, change={"enum": ["created", "changed", "deleted"]}, size=SIZE
        )
    ),
    "filesTruncated": FLAG,
}
MOMENT: Json = {"type": "string", "format": "date-time"}
SESSION = _object(
    "id",
    id=TEXT,
    name=TEXT,
    language={"enum": ["python", "javascript"]},
    state={"enum": ["starting", "idle", "busy"]},
    createdAt=MOMENT,
    lastActivity=MOMENT,
    idleTimeout={"type": "integer", "description": "milliseconds without a run after which the session is ended"},
    timeout={"type": "integer", "description": "milliseconds a run has unless it asks for another time"},
    executionCount=WHOLE,
    kernelsReplaced={"type": "integer", "description": "how often the state was lost with the kernel"},
    cwd=TEXT,
    expiresAt={"type": ["string", "null"], "format": "date-time"},
)
FILE = _object(
    "path urlPath type modified",
    path=TEXT,
    urlPath={"type": "string", "description": "what to put behind files/ to name exactly this one"},
    type={"enum": ["file", "directory", "link", "other"]},
    size=SIZE,
    modified=MOMENT,
    sha256={"type": ["string", "null"]},
)
NOTEBOOK = _object(
    "nbformat nbformat_minor metadata cells",
    nbformat={"const": 4},
    nbformat_minor=WHOLE,
    metadata=ANY,
    cells=_list(_object("id cell_type metadata source", id=TEXT, cell_type=TEXT, metadata=ANY, source=TEXT)),
)
ANSWERS: dict[str, Json] = {
    "Error": ERROR,
    "Chart": CHART,
    "Failure": _object("success error", success={"const": False}, error={"$ref": "#/components/schemas/Error"}),
    "Run": _object(" ".join(RUN_FIELDS), **RUN_FIELDS),
    "JavascriptRun": _object(
        " ".join([*RUN_FIELDS, "returnValue"]), **RUN_FIELDS, returnValue={"description": "what the code returned, as JSON"}
    ),
    "ChartRun": _object(
        " ".join([*RUN_FIELDS, "chart"]),
        **RUN_FIELDS,
        chart={"oneOf": [{"$ref": "#/components/schemas/Chart"}, {"type": "null"}]},
    ),
    "Installed": _object("success output", success=FLAG, output=TEXT, package=TEXT, version=TEXT),
    "History": _object(
        "history",
        history=_list(
            _object(
                "timestamp type code success executionTime",
                timestamp={"type": "string", "format": "date-time"},
                type=TEXT,
                code=TEXT,
                success=FLAG,
                executionTime=WHOLE,
            )
        ),
    ),
    "Health": _object(
        "status python javascript config isolation",
        status=TEXT,
        python=ANY,
        javascript=ANY,
        config=ANY,
        isolation=TEXT,
        unavailableSince={"type": "string", "format": "date-time", "description": "only while kernels can't be had"},
        notSandboxed=_list(TEXT),
    ),
    "Session": SESSION,
    "SessionRun": _object(
        " ".join([*RUN_FIELDS, "sessionId", "executionCount"]), **RUN_FIELDS, sessionId=TEXT, executionCount=WHOLE
    ),
    "Interrupted": _object("interrupted", interrupted=FLAG),
    "Variables": _object(
        "success variables truncated kernelReplaced",
        success=FLAG,
        error={"oneOf": [{"$ref": "#/components/schemas/Error"}, {"type": "null"}]},
        variables=_list(_object("name", name=TEXT, type=TEXT, shape=_list(WHOLE), length=WHOLE, size=WHOLE, preview=TEXT)),
        truncated=FLAG,
        kernelReplaced=FLAG,
    ),
    "FileList": _object("files", success=FLAG, files=_list(FILE), truncated=FLAG),
    "OneFile": _object("success", success=FLAG, file=FILE, deleted=WHOLE),
    "Notebook": NOTEBOOK,
    "NotebookRun": _object(
        "success error notebook cellsRun cellsFailed stoppedAt executionTime truncated limits",
        success=FLAG,
        error={"oneOf": [{"$ref": "#/components/schemas/Error"}, {"type": "null"}]},
        notebook={"$ref": "#/components/schemas/Notebook"},
        cellsRun=WHOLE,
        cellsFailed=WHOLE,
        stoppedAt={"type": ["integer", "null"], "description": "the index of the cell it stopped at"},
        executionTime=RUN_FIELDS["executionTime"],
        truncated=FLAG,
        limits=RUN_FIELDS["limits"],
    ),
    "Object": ANY,
}

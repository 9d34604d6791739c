"""The OpenAPI description, made from the routes, the request models and the limits in force."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.core import table_query
from gateway.core.files import MAX_DEPTH
from gateway.core.model import Json
from gateway.service.tools.formats import Format
from gateway.web.api.csv_pages import CSV
from gateway.web.api.pages import HISTORY_DEFAULT, HISTORY_MAX
from gateway.web.api.patterns import FILE
from gateway.web.caller_limits import CallerLimits
from gateway.web.edge.endpoint import EVENT_STREAM, Endpoint
from gateway.web.edge.streamed_body import OCTETS
from gateway.web.openapi.answers import ANSWERS
from gateway.web.openapi.bodies import BODIES, form_name, form_of, notebook_body
from gateway.web.openapi.jupyter import JUPYTER_ANSWERS, wanted
from gateway.web.openapi.schemas import Schema, properties_of, ref
from gateway.web.operations import FORM, JSON, Operation, RouteEntry
from gateway.web.services import Answer

_PART = re.compile(r"\{(\w+)(:path)?\}")
"""A part of a route's path, as in web.routes. OpenAPI has no parts with slashes."""
_FLAG: Schema = {"enum": ["true", "false", "1", "0"]}


def _form(pattern: str, default: str = "") -> Schema:
    """Text of the grammar in core.table_query."""
    return {
        "type": "string",
        "pattern": pattern,
        "maxLength": table_query.MAX_CHARS,
        **({"default": default} if default else {}),
    }


_QUERY: Mapping[str, tuple[str, Schema]] = {
    "limit": (
        "How many runs to list, the newest first.",
        {"type": "integer", "minimum": 1, "maximum": HISTORY_MAX, "default": HISTORY_DEFAULT},
    ),
    "path": (
        "The directory whose contents are meant; the work directory by default.",
        {"type": "string", "pattern": f"{FILE}|^$"},
    ),
    "depth": (
        "How many levels are meant; 1 is the directory's own entries.",
        {"type": "integer", "minimum": 1, "maximum": MAX_DEPTH, "default": MAX_DEPTH},
    ),
    "entry.hashes": ("Whether to compute the SHA-256 of a file.", {**_FLAG, "default": "false"}),
    "hashes": ("Whether to compute the SHA-256 of each file.", {**_FLAG, "default": "true"}),
    "rows": ("A range of rows, once they are chosen and sorted.", _form(table_query.ROWS_PATTERN, table_query.DEFAULT_ROWS)),
    "columns": ("A range of columns, or their names.", _form(table_query.COLUMNS_PATTERN, table_query.DEFAULT_COLUMNS)),
    "sort": ("Columns to sort by; a minus before a name turns its order around.", _form(table_query.SORT_PATTERN)),
    "where": ("Conditions, joined by 'and', that the rows have to meet.", _form(table_query.WHERE_PATTERN)),
    "after": (
        "The number ('at') of the last event the client has. Without it the runs under way are told from their beginning.",
        {"type": "integer", "minimum": 0},
    ),
    "format": ("The form of the answer; csv has all that has room.", {"type": "string", "enum": ["json", "csv"]}),
    "tools.format": ("The API whose form the answer has.", {"enum": list(get_args(Format)), "default": "openai"}),
    "names": ("Names of tools, with commas between them; all by default.", {"type": "string"}),
    "ignoreMissing": (
        "Whether a path that names nothing is fine, too: then nothing is deleted.",
        {**_FLAG, "default": "false"},
    ),
    "secret": ("That of the link in the answer of a tool; with it, no token is needed.", {"type": "string"}),
    "recursive": ("Whether to delete a directory with its contents.", {**_FLAG, "default": "false"}),
}
"""The parameters of queries; before a dot stands the endpoint whose parameter of this name differs from others'."""
_HEADERS: Mapping[str, str] = {
    "Range": "The bytes to send, such as 'bytes=0-99', 'bytes=100-' or 'bytes=-100'. Several ranges are answered whole.",
    "If-Range": "The ETag or Last-Modified of the file whose part is wanted; of any other the whole is sent.",
    "If-None-Match": "ETags of files that the client has; the answer to one of them has no body.",
    "Accept-Encoding": "With 'gzip' the file comes as gzip if that makes it clearly smaller; a range of bytes never does.",
    "If-Modified-Since": "A Last-Modified that the client has; if it still holds, the answer has no body.",
}
_PACKED_BODY: Schema = {
    "name": "Content-Encoding",
    "in": "header",
    "description": "gzip: the body is gzip, and what it unpacks to is the file.",
    "schema": {"enum": ["gzip", "identity"]},
}
_EVENTS = "Server-sent events, if the Accept header requests them: each event as it happens, then 'done'."
_SCHEMES: Answer = {
    "token": {"type": "http", "scheme": "bearer"},
    "queryToken": {"type": "apiKey", "in": "query", "name": "token"},
}


@dataclass(frozen=True, slots=True)
class InForce:
    """What depends on the gateway and the caller: the largest timeouts in milliseconds, and the names of kernels."""

    version: str
    timeout_ms: float
    idle_ms: float
    kernel_names: Sequence[str]


class ApiDescription(Endpoint):
    """This description of the API, as OpenAPI 3.1, with the limits of the caller's key."""

    async def on_get(self) -> Answer:
        settings = self.services.settings
        terms = CallerLimits.of(settings, self.caller)
        specs = self.services.jupyter.specs()
        in_force = InForce(
            settings.version,
            max(terms.python.max_s, terms.javascript.max_s) * 1000,
            settings.session_idle.max_s * 1000,
            [name for spec in specs for name in (spec.name, *spec.aliases)],
        )
        return describe_api(self.settings["routes"], in_force)


def describe_api(routes: Iterable[RouteEntry], in_force: InForce) -> Answer:
    """An OpenAPI 3.1 document of *routes*."""
    listed = list(routes)
    schemas = {**_models(listed, in_force), **BODIES, **wanted(in_force.kernel_names), **ANSWERS, **JUPYTER_ANSWERS}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Omega Gateway",
            "version": in_force.version,
            "description": "Runs code in a fresh, isolated kernel. Code that fails is a successful request: "
            "200 with success false.",
        },
        "security": [{"token": []}],
        "paths": {_PART.sub(r"{\1}", route.path): _describe_path(route) for route in listed},
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


def _models(routes: Iterable[RouteEntry], in_force: InForce) -> dict[str, Json]:
    """The schemas of the bodies that have models."""
    taken = [operation.takes for route in routes for operation in route.operations]
    _, made = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(taken) if not isinstance(model, str)],
        ref_template="#/components/schemas/{model}",
    )
    maxima = {"timeout": in_force.timeout_ms, "idleTimeout": in_force.idle_ms, "lifetime": in_force.idle_ms}
    schemas = {name: _bounded(schema, maxima) for name, schema in made["$defs"].items()}
    forms = {_name(operation.takes) for route in routes for operation in route.operations if operation.takes_form}
    return {
        **schemas,
        **{form_name(name): form_of(schemas[name]) for name in sorted(forms)},
        "NotebookBody": notebook_body(schemas["NotebookBody"]),
    }


def _name(takes: type[BaseModel] | str) -> str:
    return takes if isinstance(takes, str) else takes.__name__


def _bounded(schema: Schema, maxima: Mapping[str, float]) -> Schema:
    """The model *schema*, with the maximum of each field named in *maxima*."""
    fields = properties_of(schema)
    bounded: Schema = {}
    for name, field in fields.items():
        number: Json = [{"type": "number", "minimum": 1, "maximum": maxima.get(name)}, {"type": "null"}]
        bounded[name] = {**cast(Schema, field), "anyOf": number} if name in maxima else field
    return {**schema, "properties": bounded}


def _describe_path(route: RouteEntry) -> Json:
    parts: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": _part(is_path)}
        for name, is_path in _PART.findall(route.path)
    ]
    methods = {operation.method.lower(): _describe(route.endpoint, operation) for operation in route.operations}
    return {**methods, **({"parameters": parts} if parts else {})}


def _part(is_path: str) -> Schema:
    return {"type": "string", "minLength": 1, **({"pattern": FILE} if is_path else {})}


def _describe(endpoint: type[Endpoint], operation: Operation) -> Json:
    described: dict[str, Json] = {
        "summary": (endpoint.__doc__ or "").partition("\n")[0],
        "operationId": f"{operation.method.lower()}_{endpoint.__name__}",
        "responses": {
            str(operation.status): _success(operation),
            **(_parts_of(operation) if operation.has_parts else {}),
            "503": _failure(operation.busy, "The gateway can't run code at the moment. Retry-After says when to try again."),
            "default": _failure(operation.failure, "The request failed."),
        },
    }
    if endpoint.public or endpoint.has_own_token:
        described["security"] = []
    if endpoint.takes_query_token:
        described["security"] = [{"token": []}, {"queryToken": []}]
    if operation.takes:
        name = _name(operation.takes)
        form: Answer = {FORM: {"schema": ref(form_name(name))}} if operation.takes_form else {}
        described["requestBody"] = {
            # Bytes may be none at all: an empty file.
            "required": endpoint.takes_body and endpoint.needs_body and operation.takes_type != OCTETS,
            "content": {operation.takes_type: {"schema": ref(name)}, **form},
        }
    if operation.query:
        described["parameters"] = [_parameter(name.rpartition(".")[2], *_QUERY[name]) for name in operation.query]
    if operation.has_parts:
        described["parameters"] = [_header(name, description) for name, description in _HEADERS.items()]
    if operation.takes_gzip:
        described["parameters"] = [_PACKED_BODY]
    return described


def _success(operation: Operation) -> Json:
    if not operation.answer:
        return {"description": "Done."}
    content: dict[str, Json] = {kind: {"schema": ref(operation.answer)} for kind in operation.content_types}
    if operation.has_csv:
        content[CSV] = {"schema": {"type": "string", "description": "CSV, if format or the Accept header asks for it."}}
    if operation.streams:
        content[EVENT_STREAM] = {"schema": {"type": "string", "description": _EVENTS}}
    return {"description": "The response.", "content": content}


def _parts_of(operation: Operation) -> Answer:
    """The other answers of an operation of whose bytes a client may want a range."""
    return {
        "206": {**cast(Schema, _success(operation)), "description": "The range of bytes that Content-Range names."},
        "304": {"description": "The client has the file."},
        "416": _failure("Failure", "The file has none of the bytes; Content-Range says how many it has."),
    }


def _failure(schema: str, description: str) -> Json:
    return {"description": description, "content": {JSON: {"schema": ref(schema)}}}


def _header(name: str, description: str) -> Json:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _parameter(name: str, description: str, schema: Schema) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}

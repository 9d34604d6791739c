"""Every address of the API in one table. The application, the API description and the tests are made from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel
from tornado.web import Application

from gateway.core.charts import CHART_TYPES
from gateway.web.api import (
    changes,
    commands,
    entries,
    entry_bodies,
    files,
    host_answers,
    links,
    notebook_bodies,
    notebooks,
    pages,
    run_bodies,
    run_charts,
    runs,
    sandbox_bodies,
    sandboxes,
    session_bodies,
    sessions,
    streams,
    tables,
    tools,
    watching,
)
from gateway.web.edge import header_rules
from gateway.web.edge.endpoint import EVENT_STREAM, Endpoint, Undiscoverable, Unknown
from gateway.web.edge.handler import log_request
from gateway.web.edge.streamed_body import OCTETS
from gateway.web.edge.websocket import Socket
from gateway.web.jupyter import rest
from gateway.web.jupyter.channels import KernelChannels
from gateway.web.mcp.calls import Calls
from gateway.web.mcp.endpoint import McpEndpoint
from gateway.web.openapi.document import ApiDescription
from gateway.web.operations import FORM, Operation, delete, get, get_parts, post, run, run_with_files
from gateway.web.services import Services

BASE = "/code-interpreter"
SESSION = f"{BASE}/sessions/{{session_id}}"
SANDBOX = f"{BASE}/sandboxes/{{sandbox_id}}"
KERNEL = "/api/kernels/{kernel_id}"


@dataclass(frozen=True, slots=True)
class Route:
    """One address: its endpoint, and what each of its methods takes and answers with.

    ``{name}`` in *path* matches one part of the address, which the endpoint finds in ``self.parts``. ``{name:path}`` matches
    slashes too.
    """

    path: str
    endpoint: type[Endpoint]
    operations: tuple[Operation, ...]

    @property
    def body(self) -> type[BaseModel] | None:
        """The model of the body, or None: the address takes no body, or no model checks it."""
        models = (operation.takes for operation in self.operations if self.endpoint.takes_body)
        return next((model for model in models if not isinstance(model, str)), None)


def at(path: str, endpoint: type[Endpoint], *operations: Operation) -> Route:
    """The route of *path*."""
    return Route(path, endpoint, operations)


ROUTES = (
    at(f"{BASE}/python", runs.PythonRuns, run_with_files("PythonTurn", run_bodies.PythonBody)),
    at(f"{BASE}/javascript", runs.JavascriptRuns, run("JavascriptTurn", run_bodies.JavascriptBody)),
    at(f"{BASE}/chart", runs.ChartRuns, run_with_files("ChartRun", run_bodies.ChartBody)),
    at(f"{BASE}/analyze", runs.Analyses, run("Run", run_bodies.AnalyzeBody)),
    at(f"{BASE}/math", runs.MathRuns, run("Run", run_bodies.MathBody)),
    at(host_answers.RESULTS, host_answers.ToolResults, post("ToolTurn", host_answers.ResultsBody)),
    at(f"{BASE}/install", runs.Installs, post("Installed", run_bodies.InstallBody)),
    at(
        f"{BASE}/sessions",
        sessions.SessionTable,
        get("SessionList"),
        post("Session", session_bodies.NewSessionBody),
    ),
    at(SESSION, sessions.OneSession, get("Session"), delete("Ended")),
    at(f"{SESSION}/execute", sessions.SessionRuns, run_with_files("SessionTurn", session_bodies.ExecuteBody)),
    at(f"{SESSION}/events", watching.SessionEvents, get("Events", EVENT_STREAM, query=watching.PARAMETERS)),
    at(f"{SESSION}/interrupt", sessions.SessionInterrupt, post("Interrupted", session_bodies.NothingBody)),
    at(f"{SESSION}/restart", sessions.SessionRestart, post("Session", session_bodies.NothingBody)),
    at(f"{SESSION}/variables", sessions.SessionVariables, get("Variables")),
    at(
        f"{SESSION}/variables/{{name}}",
        tables.SessionTablePage,
        Operation("GET", "Table", query=tables.PARAMETERS, has_csv=True),
    ),
    at(
        f"{SESSION}/files",
        files.FileTable,
        get("FileList", query=("path", "depth", "hashes")),
        Operation("POST", "FilesPut", "FilesForm", FORM),
    ),
    at(
        f"{SESSION}/files/{{path:path}}",
        files.OneFile,
        get_parts("Bytes", OCTETS),
        Operation("PUT", "FilePut", "Bytes", OCTETS, takes_gzip=True),
        delete("Deleted", query=("recursive", "ignoreMissing")),
    ),
    at(
        f"{SESSION}/entries/{{path:path}}",
        entries.OneEntry,
        get("File", query=("entry.hashes",)),
        Operation("PUT", "DirectoryMade", session_bodies.NothingBody),
        Operation("PATCH", "FilePut", entry_bodies.EntryBody),
    ),
    at(f"{SESSION}/changes", changes.FileChanges, get("FileEvents", EVENT_STREAM, query=changes.PARAMETERS)),
    at(f"{SESSION}/links/{{path:path}}", links.FileLinks, post("Link", links.LinkBody)),
    at(f"{links.DOWNLOADS}/{{link}}/{{path:path}}", links.LinkedFile, get_parts("Bytes", OCTETS)),
    at(f"{SESSION}/notebook", notebooks.SessionNotebook, get("Notebook", notebooks.NOTEBOOK_TYPE)),
    at(
        f"{BASE}/sandboxes",
        sandboxes.SandboxTable,
        get("SandboxList"),
        post("Sandbox", sandbox_bodies.NewSandboxBody),
    ),
    at(SANDBOX, sandboxes.OneSandbox, get("Sandbox"), delete("Ended")),
    at(f"{SANDBOX}/extend", sandboxes.SandboxExtension, post("Sandbox", sandbox_bodies.ExtensionBody)),
    at(
        f"{SANDBOX}/contexts",
        sandboxes.ContextTable,
        get("ContextList"),
        post("Session", sandbox_bodies.NewContextBody),
    ),
    at(f"{SANDBOX}/contexts/{{context_id}}", sandboxes.OneContext, delete("Ended")),
    at(
        f"{SANDBOX}/contexts/{{context_id}}/restart",
        sandboxes.ContextRestart,
        post("Session", session_bodies.NothingBody),
    ),
    at(
        f"{SANDBOX}/commands",
        commands.CommandTable,
        get("CommandList"),
        run("CommandRun", sandbox_bodies.NewCommandBody),
    ),
    at(f"{SANDBOX}/commands/{{command_id}}", commands.OneCommand, get("CommandRun")),
    at(
        f"{SANDBOX}/commands/{{command_id}}/events",
        commands.CommandEvents,
        get("Events", EVENT_STREAM, query=commands.PARAMETERS),
    ),
    at(
        f"{SANDBOX}/commands/{{command_id}}/stdin",
        commands.CommandStdin,
        post("CommandTold", sandbox_bodies.StdinBody),
    ),
    at(
        f"{SANDBOX}/commands/{{command_id}}/signal",
        commands.CommandSignal,
        post("CommandTold", sandbox_bodies.SignalBody),
    ),
    at(f"{BASE}/notebook", notebooks.NotebookRuns, run_with_files("NotebookRun", notebook_bodies.NotebookBody)),
    at(f"{BASE}/history", pages.HistoryList, get("History", query=("limit",))),
    at(f"{BASE}/health", pages.HealthCheck, Operation("GET", "Health", busy="Health")),
    at(f"{BASE}/examples", pages.Examples, get("Gallery")),
    at(f"{BASE}/tools", tools.ToolList, get("ToolList", query=("tools.format", "names"))),
    at(f"{BASE}/tools/openapi.json", tools.ToolsDescription, get("OpenApi")),
    at(f"{BASE}/runs/{{run_id}}/charts/{{number}}", run_charts.RunChart, get("Bytes", *CHART_TYPES, query=("secret",))),
    at(f"{BASE}/tools/{{name}}", tools.ToolCalls, post("ToolAnswer", "ToolArguments")),
    at("/api", rest.ApiVersion, get("ApiVersion")),
    at("/api/status", rest.ApiStatus, get("ApiStatus")),
    at("/api/me", rest.Identity, get("Identity")),
    at("/api/kernelspecs", rest.KernelSpecs, get("KernelSpecs")),
    at("/api/kernelspecs/{name}", rest.OneKernelSpec, get("KernelSpec")),
    at("/kernelspecs/{name}/{resource}", rest.KernelSpecResource, get("Bytes", "image/svg+xml", "image/png")),
    at(
        "/api/kernels",
        rest.KernelList,
        get("KernelList"),
        post("Kernel", "NewKernel", status=201),
    ),
    at(KERNEL, rest.OneKernel, get("Kernel"), delete()),
    at(f"{KERNEL}/interrupt", rest.KernelInterrupt, post("", status=204)),
    at(f"{KERNEL}/restart", rest.KernelRestart, post("Kernel")),
    at(
        "/api/sessions",
        rest.JupyterSessionTable,
        get("JupyterSessionList"),
        post("JupyterSession", "JupyterSessionWanted", status=201),
    ),
    at(
        "/api/sessions/{session_id}",
        rest.OneJupyterSession,
        get("JupyterSession"),
        Operation("PATCH", "JupyterSession", "JupyterSessionWanted"),
        delete(),
    ),
    at("/api/swagger.json", rest.SwaggerJson, get("Swagger")),
    at("/api/swagger.yaml", rest.SwaggerYaml, get("Swagger", "text/x-yaml")),
    at("/metrics", pages.MetricsText, get("Text", "text/plain")),
    at("/mcp", McpEndpoint, Operation("POST", "McpAnswer", "McpMessage", busy="McpFailure", failure="McpFailure")),
    at("/openapi.json", ApiDescription, get("OpenApi")),
    at("/", pages.Home, get("Home")),
)


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """One WebSocket address; *path* is as in Route."""

    path: str
    endpoint: type[Socket]


SOCKETS = (
    SocketRoute(f"{BASE}/stream", streams.OneRun),
    SocketRoute(f"{SESSION}/stream", streams.SessionStream),
    SocketRoute(f"{KERNEL}/channels", KernelChannels),
)


def make_application(services: Services, sockets: Sequence[SocketRoute] = SOCKETS) -> Application:
    """The Tornado application that serves ROUTES and *sockets*. Unknown addresses get the same checks and errors."""
    served: list[tuple[str, type[Endpoint] | type[Socket]]] = [(route.path, route.endpoint) for route in ROUTES]
    served += [(route.path, route.endpoint) for route in sockets]
    nowhere = {"services": services, "route": "unknown"}
    return Application(
        [
            *(
                (pattern, handler, {"services": services, "route": path})
                for path, handler in served
                for pattern in _patterns_of(path, handler)
            ),
            (r"/\.well-known/.*", Undiscoverable, nowhere),
        ],
        default_handler_class=Unknown,
        default_handler_args=nowhere,
        log_function=log_request,
        routes=ROUTES,
        mcp_calls=Calls(),
    )


def _patterns_of(path: str, handler: type[Endpoint] | type[Socket]) -> list[str]:
    """The patterns that serve *path*: where a query token is accepted, also one with a token in the path."""
    before = [f"/t/{{{header_rules.PATH_TOKEN}}}"] if handler.takes_query_token else []
    return [pattern_of(prefix + path) for prefix in ["", *before]]


def pattern_of(path: str) -> str:
    """The regular expression of *path*, its ``{name}`` parts as groups."""
    parts = re.split(r"\{(\w+)(:path)?\}", path)
    pattern = re.escape(parts[0])
    for name, takes_slashes, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pattern += f"(?P<{name}>{'.+' if takes_slashes else '[^/]+'}){re.escape(literal)}"
    return pattern

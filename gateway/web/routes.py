"""Every address of the API, in one table: the application, the API description and the tests are made from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tornado.web import Application

from gateway.web import (
    files,
    guard,
    jupyter_rest,
    notebooks,
    pages,
    runs,
    sessions,
    streams,
    wire,
    wire_notebooks,
    wire_sessions,
)
from gateway.web.endpoint import Endpoint, Unknown, log_request
from gateway.web.jupyter_socket import KernelChannels
from gateway.web.openapi import ApiDescription
from gateway.web.services import Services
from gateway.web.socket import Socket

BASE = "/code-interpreter"
SESSION = f"{BASE}/sessions/{{session_id}}"
KERNEL = "/api/kernels/{kernel_id}"


@dataclass(frozen=True, slots=True)
class Route:
    """One address: the endpoint that answers there, the name of its answer in the API description, and the body it takes.

    ``{name}`` in *path* stands for one part of the address, which the endpoint finds in ``self.parts``; ``{name:path}`` also
    takes slashes.
    """

    path: str
    endpoint: type[Endpoint]
    answer: str
    body: type[wire.Body] | None = None


ROUTES = (
    Route(f"{BASE}/python", runs.PythonRuns, "Run", wire.PythonBody),
    Route(f"{BASE}/javascript", runs.JavascriptRuns, "JavascriptRun", wire.JavascriptBody),
    Route(f"{BASE}/chart", runs.ChartRuns, "ChartRun", wire.ChartBody),
    Route(f"{BASE}/analyze", runs.Analyses, "Run", wire.AnalyzeBody),
    Route(f"{BASE}/math", runs.MathRuns, "Run", wire.MathBody),
    Route(f"{BASE}/install", runs.Installs, "Installed", wire.InstallBody),
    Route(f"{BASE}/sessions", sessions.SessionTable, "Session", wire_sessions.NewSessionBody),
    Route(SESSION, sessions.OneSession, "Session"),
    Route(f"{SESSION}/execute", sessions.SessionRuns, "SessionRun", wire_sessions.ExecuteBody),
    Route(f"{SESSION}/interrupt", sessions.SessionInterrupt, "Interrupted"),
    Route(f"{SESSION}/restart", sessions.SessionRestart, "Session"),
    Route(f"{SESSION}/variables", sessions.SessionVariables, "Variables"),
    Route(f"{SESSION}/files", files.FileTable, "FileList"),
    Route(f"{SESSION}/files/{{path:path}}", files.OneFile, "OneFile"),
    Route(f"{SESSION}/notebook", notebooks.SessionNotebook, "Notebook"),
    Route(f"{BASE}/notebook", notebooks.NotebookRuns, "NotebookRun", wire_notebooks.NotebookBody),
    Route(f"{BASE}/history", pages.HistoryList, "History"),
    Route(f"{BASE}/health", pages.HealthCheck, "Health"),
    Route(f"{BASE}/examples", pages.Examples, "Object"),
    Route("/api", jupyter_rest.ApiVersion, "Object"),
    Route("/api/status", jupyter_rest.ApiStatus, "Object"),
    Route("/api/me", jupyter_rest.Identity, "Object"),
    Route("/api/kernelspecs", jupyter_rest.KernelSpecs, "Object"),
    Route("/api/kernelspecs/{name}", jupyter_rest.OneKernelSpec, "Object"),
    Route("/kernelspecs/{name}/{resource}", jupyter_rest.KernelSpecResource, "Text"),
    Route("/api/kernels", jupyter_rest.Kernels, "Object"),
    Route(KERNEL, jupyter_rest.OneKernel, "Object"),
    Route(f"{KERNEL}/interrupt", jupyter_rest.KernelInterrupt, "Object"),
    Route(f"{KERNEL}/restart", jupyter_rest.KernelRestart, "Object"),
    Route("/api/sessions", jupyter_rest.JupyterSessionTable, "Object"),
    Route("/api/sessions/{session_id}", jupyter_rest.OneJupyterSession, "Object"),
    Route("/api/swagger.json", jupyter_rest.SwaggerJson, "Object"),
    Route("/api/swagger.yaml", jupyter_rest.SwaggerYaml, "Text"),
    Route("/metrics", pages.MetricsText, "Text"),
    Route("/openapi.json", ApiDescription, "Object"),
    Route("/", pages.Home, "Object"),
)


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """One address that speaks WebSocket; *path* as in Route."""

    path: str
    endpoint: type[Socket]


SOCKETS = (
    SocketRoute(f"{BASE}/stream", streams.OneRun),
    SocketRoute(f"{SESSION}/stream", streams.SessionStream),
    SocketRoute(f"{KERNEL}/channels", KernelChannels),
)


def make_application(services: Services, sockets: Sequence[SocketRoute] = SOCKETS) -> Application:
    """The Tornado application that serves ROUTES and *sockets*; everything else gets the same checks and errors."""
    served: list[tuple[str, type[Endpoint] | type[Socket]]] = [(route.path, route.endpoint) for route in ROUTES]
    served += [(route.path, route.endpoint) for route in sockets]
    return Application(
        [
            (pattern, handler, {"services": services, "route": path})
            for path, handler in served
            for pattern in _patterns_of(path, handler)
        ],
        default_handler_class=Unknown,
        default_handler_args={"services": services, "route": "unknown"},
        log_function=log_request,
        routes=ROUTES,
    )


def _patterns_of(path: str, handler: type[Endpoint] | type[Socket]) -> list[str]:
    """Where *path* is served: where a token may stand in the query, also behind one in the address."""
    before = [f"/t/{{{guard.PATH_TOKEN}}}"] if handler.takes_query_token else []
    return [pattern_of(prefix + path) for prefix in ["", *before]]


def pattern_of(path: str) -> str:
    """The regular expression of *path*, its ``{name}`` parts as groups."""
    parts = re.split(r"\{(\w+)(:path)?\}", path)
    pattern = re.escape(parts[0])
    for name, takes_slashes, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pattern += f"(?P<{name}>{'.+' if takes_slashes else '[^/]+'}){re.escape(literal)}"
    return pattern

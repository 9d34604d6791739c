"""Every address of the API, in one table: the application, the API description and the tests are made from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tornado.web import Application

from gateway.web import files, pages, runs, sessions, wire, wire_sessions
from gateway.web.endpoint import Endpoint, Unknown, log_request
from gateway.web.openapi import ApiDescription
from gateway.web.services import Services
from gateway.web.socket import Socket

BASE = "/code-interpreter"
SESSION = f"{BASE}/sessions/{{session_id}}"


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
    Route(f"{BASE}/javascript", runs.JavascriptRuns, "Run", wire.JavascriptBody),
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
    Route(f"{BASE}/history", pages.HistoryList, "History"),
    Route(f"{BASE}/health", pages.HealthCheck, "Health"),
    Route(f"{BASE}/examples", pages.Examples, "Object"),
    Route("/metrics", pages.MetricsText, "Text"),
    Route("/openapi.json", ApiDescription, "Object"),
    Route("/", pages.Home, "Object"),
)


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """One address that speaks WebSocket; *path* as in Route."""

    path: str
    socket: type[Socket]


SOCKETS: tuple[SocketRoute, ...] = ()


def make_application(services: Services, sockets: Sequence[SocketRoute] = SOCKETS) -> Application:
    """The Tornado application that serves ROUTES and *sockets*; everything else gets the same checks and errors."""
    served = [(route.path, route.endpoint) for route in ROUTES] + [(route.path, route.socket) for route in sockets]
    return Application(
        [(pattern_of(path), handler, {"services": services, "route": path}) for path, handler in served],
        default_handler_class=Unknown,
        default_handler_args={"services": services, "route": "unknown"},
        log_function=log_request,
        routes=ROUTES,
    )


def pattern_of(path: str) -> str:
    """The regular expression of *path*, its ``{name}`` parts as groups."""
    parts = re.split(r"\{(\w+)(:path)?\}", path)
    pattern = re.escape(parts[0])
    for name, takes_slashes, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pattern += f"(?P<{name}>{'.+' if takes_slashes else '[^/]+'}){re.escape(literal)}"
    return pattern

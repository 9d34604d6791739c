"""A gateway on a real port, with everything behind the web layer replaced by fakes that remember what they were asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders
from tornado.testing import bind_unused_port
from tornado.websocket import WebSocketClientConnection, websocket_connect

from gateway.core.errors import GatewayError, NotFound, Unauthorized
from gateway.core.model import Event, Json, OnEvent, Raised, Result, Text
from gateway.core.notebook import Notebook, NotebookCell, Output
from gateway.core.request import Allowance, Caller, Control, RunRecord, RunRequest, Submission
from gateway.service.drain import Drain
from gateway.service.examples.gallery import Gallery
from gateway.service.health import HealthReport
from gateway.service.jupyter.sessions import JupyterSessions
from gateway.service.jupyter.table import JupyterKernels, JupyterSettings
from gateway.service.kept_kernels import Quota
from gateway.service.packages.installer import Installed
from gateway.service.runs.live import LiveRuns
from gateway.service.runs.watches import Watches
from gateway.service.session_feed import SessionFeed
from gateway.service.sessions.notebooks import CellDone, CellStarted, Executed, NotebookRequest, OnProgress
from gateway.service.sessions.table import NewSession, RunStopped, SessionView
from gateway.service.tools.kept_pictures import KeptPictures
from gateway.service.tools.pictures import Pictures
from gateway.service.tools.toolbox import ToolBox
from gateway.web.edge.server import Server, make_server
from gateway.web.routes import SOCKETS, SocketRoute, make_application
from gateway.web.services import Services, WebSettings
from kernels.contract import Language
from tests.gateway.service import sandbox_world
from tests.gateway.web.fake_files import FakeFiles

TOKEN = "a-token-that-is-right"


@dataclass
class FakeRunner:
    """Answers with what a test puts into *answer*; keeps what it was asked."""

    answer: Callable[[RunRequest], Result]
    asked: list[RunRequest] = field(default_factory=list)
    allowances: list[Allowance] = field(default_factory=list)
    waits_for: asyncio.Event | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    events: Sequence[Event] = ()
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)

    async def interrupt(self) -> None:
        self.interrupted.set()
        if self.waits_for is not None:
            self.waits_for.set()

    async def run(self, submission: Submission, on_event: OnEvent | None = None, control: Control | None = None) -> Result:
        self.asked.append(submission.request)
        self.allowances.append(submission.allowance)
        self.started.set()
        try:
            with (control or Control()).holding(self):  # type: ignore[arg-type]  # a kernel that only stops
                for event in self.events:
                    assert on_event is not None
                    on_event(event)
                if self.waits_for is not None:
                    await self.waits_for.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return self.answer(submission.request)


class FakeKeys:
    def admit(self, token: str, address: str) -> Caller:
        if token != TOKEN:
            raise Unauthorized("The token is not valid.")
        return Caller("k1", "test")


@dataclass(frozen=True)
class FakeLink:
    """A link, and what it opens."""

    text: str
    expires_utc: float
    caller: Caller
    session_id: str


class FakeLinks:
    """Links that say what they are for."""

    def sign(self, caller: Caller, session_id: str, path: bytes, life_s: float) -> FakeLink:
        return FakeLink(f"signed-{path.hex()}-{session_id}", 1_700_000_000 + life_s, caller, session_id)

    def admit(self, text: str, path: bytes, address: str) -> FakeLink:
        signed, _, session_id = text.rpartition("-")
        if signed != f"signed-{path.hex()}":
            raise Unauthorized("The link is not valid.")
        return FakeLink(text, 0.0, Caller("k1", "test"), session_id)


class FakeInstaller:
    async def install(self, package: str) -> Installed:
        return Installed(package, "1.0", f"{package}-1.0 is already installed\n")


@dataclass
class FakeHistory:
    records: list[RunRecord] = field(default_factory=list)

    async def newest(self, key_id: str, limit: int) -> Sequence[RunRecord]:
        return [record for record in self.records if record.key_id == key_id][:limit]


@dataclass
class FakeSessions:
    """One session, of the name *there*; keeps what it was asked."""

    asked: list[tuple[str, object]] = field(default_factory=list)
    language: Language = "python"
    watched: SessionFeed = field(default_factory=SessionFeed)

    def view(self, session_id: str = "there") -> SessionView:
        current = self.watched.current
        return SessionView(session_id, "n", self.language, "idle", 1.0, 2.0, 1800.0, 30.0, 3, 0, "", 1802.0, current)

    def feed(self, session_id: str, caller: Caller) -> SessionFeed:
        self.show(session_id, caller)
        return self.watched

    async def create(self, asked: NewSession, caller: Caller) -> SessionView:
        self.asked.append(("create", asked))
        return self.view()

    def list(self, caller: Caller) -> Sequence[SessionView]:
        return [self.view()]

    def show(self, session_id: str, caller: Caller) -> SessionView:
        if session_id != "there":
            raise NotFound("There is no such session.")
        return self.view()

    async def delete(self, session_id: str, caller: Caller) -> None:
        self.asked.append(("delete", self.show(session_id, caller).id))

    async def interrupt(self, session_id: str, caller: Caller) -> RunStopped:
        self.asked.append(("interrupt", self.show(session_id, caller).id))
        return RunStopped(was_running=True, kernel_replaced=False)

    async def restart(self, session_id: str, caller: Caller) -> SessionView:
        self.asked.append(("restart", session_id))
        return self.show(session_id, caller)


@dataclass
class FakeNotebooks:
    """Gives back what it was asked to execute as if each cell had printed itself, stopped by *error*.

    *refusal* is raised before the first cell, *later* after the last.
    """

    asked: list[NotebookRequest] = field(default_factory=list)
    error: Raised | None = None
    refusal: GatewayError | None = None
    later: GatewayError | None = None

    def export(self, session_id: str, caller: Caller) -> Notebook:
        if session_id != "there":
            raise NotFound("There is no such session.")
        shown: Output = {"output_type": "stream", "name": "stdout", "text": "1\n2\n"}
        return Notebook([NotebookCell("code", "run-0", "print(1)\nprint(2)", outputs=[shown], execution_count=1)], {})

    async def execute(
        self, asked: NotebookRequest, caller: Caller, run_id: str, allowance: Allowance, on_progress: OnProgress
    ) -> Executed:
        self.asked.append(asked)
        if self.refusal is not None:
            raise self.refusal
        for index, cell in enumerate(asked.notebook.cells):
            on_progress(CellStarted(index, cell.cell_id))
            on_progress(Text("stdout", cell.source))
            on_progress(CellDone(index, cell.cell_id, ok(RunRequest("python", cell.source, 1.0))))
        if self.later is not None:
            raise self.later
        return Executed(asked.notebook, ran=len(asked.notebook.cells), failed=0, wall_s=0.5, error=self.error)


@dataclass
class FakeHealth:
    now: HealthReport

    def report(self) -> HealthReport:
        return self.now


@dataclass
class FakeMetrics:
    answered: list[tuple[str, str, int]] = field(default_factory=list)

    def request_answered(self, route: str, method: str, status: int) -> None:
        self.answered.append((route, method, status))

    def render(self) -> bytes:
        return b"# HELP omega_runs_total Runs\n"


def ok(_request: RunRequest) -> Result:
    return Result(True, "hello\n", "hello\n", "", None, 0, 0.0125)


@dataclass
class Gateway:
    """The server under test and the fakes behind it."""

    port: int
    services: Services
    runner: FakeRunner
    history: FakeHistory
    health: FakeHealth
    metrics: FakeMetrics
    server: Server
    sessions: FakeSessions
    notebooks: FakeNotebooks
    files: FakeFiles
    clients: list[WebSocketClientConnection] = field(default_factory=list)

    async def connect(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        token: str | None = TOKEN,
        protocols: list[str] | None = None,
    ) -> WebSocketClientConnection:
        """An open WebSocket, closed after the test; HTTPClientError when it is refused."""
        sent = HTTPHeaders({"Authorization": f"Bearer {token}"} if token else {})
        sent.update(headers or {})
        request = HTTPRequest(f"ws://127.0.0.1:{self.port}{path}", headers=sent)
        client = await websocket_connect(request, subprotocols=protocols)
        self.clients.append(client)
        return client

    async def ask(
        self,
        path: str,
        body: bytes | dict[str, Json] | None = None,
        *,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        token: str | None = TOKEN,
    ) -> HTTPResponse:
        """The answer to one request, whatever its status."""
        sent = HTTPHeaders({"Authorization": f"Bearer {token}"} if token else {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        data = orjson.dumps(body) if isinstance(body, dict) else body
        return await AsyncHTTPClient(force_instance=True).fetch(
            f"http://127.0.0.1:{self.port}{path}",
            method=method or ("GET" if body is None else "POST"),
            headers=sent,
            body=data,
            raise_error=False,
            allow_nonstandard_methods=True,
            follow_redirects=False,
        )

    async def raw(self, data: bytes, timeout_s: float = 5.0) -> bytes:
        """Everything the server says to *data* until it closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), timeout_s)
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def _begin(_language: Language, _timeout_s: float, _caller: Caller) -> str:
    return "there"


@asynccontextmanager
async def serve(settings: WebSettings, sockets: Sequence[SocketRoute] = SOCKETS) -> AsyncIterator[Gateway]:
    runner, history = FakeRunner(ok), FakeHistory()
    health = FakeHealth(HealthReport(True, "Python 3.11.0", "L3", has_javascript=True, javascript_version="Node.js 24.0.0"))
    gallery, metrics = Gallery(("python", "javascript")), FakeMetrics()
    sessions, notebooks, files = FakeSessions(), FakeNotebooks(), FakeFiles()
    sandboxes = sandbox_world.World()
    jupyter = JupyterKernels([], Quota(0), Drain(), JupyterSettings())
    live, kept = LiveRuns(runner, feeds=sessions.feed), KeptPictures()
    services = Services(
        settings,
        FakeKeys(),
        live,
        FakeInstaller(),
        history,
        health,
        gallery,
        metrics,
        sessions,
        jupyter,
        JupyterSessions(jupyter),
        live,
        Watches(sessions.feed),
        notebooks,
        files,
        ToolBox(runner, _begin, sessions, files, Pictures(kept)),
        kept,
        FakeLinks(),
        sandboxes.sandboxes,
    )
    server = make_server(make_application(services, sockets), settings)
    socket, port = bind_unused_port()
    server.add_sockets([socket])
    gateway = Gateway(port, services, runner, history, health, metrics, server, sessions, notebooks, files)
    try:
        yield gateway
    finally:
        for client in gateway.clients:
            protocol = client.protocol
            client.close()
            if protocol is not None:
                protocol.stream.close()  # type: ignore[union-attr]  # one that was open has it
        server.stop()
        await sandboxes.sandboxes.close()
        await server.close_all_connections()


def json_of(response: HTTPResponse) -> dict[str, Json]:
    """The body as JSON."""
    value = orjson.loads(response.body)
    assert isinstance(value, dict)
    return value

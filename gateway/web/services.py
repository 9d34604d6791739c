"""What the endpoints need from the rest of the gateway, each as small as its use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from gateway.core.files import FileEntry, Listing, Path
from gateway.core.limits import Timeouts
from gateway.core.model import Json
from gateway.core.notebook import Notebook
from gateway.core.request import Allowance, Caller, RunRecord, Runs
from gateway.kernel.files import FileContents
from gateway.service.examples.gallery import Example
from gateway.service.health import HealthReport
from gateway.service.jupyter.sessions import JupyterSessions
from gateway.service.jupyter.table import JupyterKernels
from gateway.service.packages.installer import Installed
from gateway.service.runs.live import LiveRuns
from gateway.service.sessions.notebooks import Executed, NotebookRequest, OnProgress
from gateway.service.sessions.table import NewSession, SessionView

MIB = 1024 * 1024
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The limits and names the web layer checks requests against."""

    version: str = "0"
    allowed_hosts: frozenset[str] = LOCAL_HOSTS
    allowed_origins: frozenset[str] = frozenset()
    body_bytes: int = 16 * MIB
    file_bytes: int = 128 * MIB
    header_bytes: int = 32 * 1024
    header_timeout_s: float = 60.0
    body_timeout_s: float = 60.0
    max_connections: int = 512
    ping_s: float = 30.0
    """How often the client of a WebSocket is asked for a sign of life, and how long it may take to give it."""
    python: Timeouts = field(default_factory=Timeouts)
    javascript: Timeouts = field(default_factory=lambda: Timeouts(10.0))
    session_idle: Timeouts = field(default_factory=lambda: Timeouts(1800.0, 86_400.0))
    allowance: Allowance = field(default_factory=Allowance)


class Keys(Protocol):
    """Knows who a token belongs to."""

    def admit(self, token: str, address: str) -> Caller:
        """Whose *token* it is; raises Unauthorized or TooManyRequests. Takes the same time for any wrong token."""


class Installer(Protocol):
    """Installs packages; see service.install.Installer."""

    async def install(self, package: str) -> Installed:
        """What was installed or was there already."""


class PastRuns(Protocol):
    """Past runs; see service.history.History."""

    async def newest(self, key_id: str, limit: int) -> Sequence[RunRecord]:
        """The last *limit* runs of a key, newest first."""


class Health(Protocol):
    """Knows whether kernels can be had."""

    def report(self) -> HealthReport:
        """How things stand now."""


class Gallery(Protocol):
    """Examples to show."""

    def list(self) -> Sequence[Example]:
        """Those whose language is available."""


class Sessions(Protocol):
    """The table of sessions; see service.sessions.Sessions. All but create and list raise NotFound or Gone."""

    async def create(self, asked: NewSession, caller: Caller) -> SessionView:
        """A new session with its kernel."""

    def list(self, caller: Caller) -> Sequence[SessionView]:
        """The caller's sessions, the oldest first."""

    def show(self, session_id: str, caller: Caller) -> SessionView:
        """One session."""

    async def delete(self, session_id: str, caller: Caller) -> None:
        """End a session."""

    async def interrupt(self, session_id: str, caller: Caller) -> bool:
        """Ask the run that is going on to stop; whether there was one."""

    async def restart(self, session_id: str, caller: Caller) -> SessionView:
        """The same session with a new kernel."""


class Files(Protocol):
    """The files of sessions; see service.files.Files for what it raises."""

    async def list(self, session_id: str, caller: Caller, under: Path = b"", *, wants_digests: bool = True) -> Listing:
        """What is in the work directory, or below *under*."""

    def read(self, session_id: str, caller: Caller, path: Path) -> AbstractAsyncContextManager[FileContents]:
        """A file to be read."""

    async def write(self, session_id: str, caller: Caller, path: Path, pieces: AsyncIterator[bytes]) -> FileEntry:
        """Put a file."""

    async def write_all(self, session_id: str, caller: Caller, files: Sequence[tuple[Path, bytes]]) -> Sequence[FileEntry]:
        """Put several."""

    async def delete(self, session_id: str, caller: Caller, path: Path, *, is_recursive: bool) -> int:
        """Remove what *path* names."""


class Notebooks(Protocol):
    """Makes and runs notebooks; see service.notebooks.Notebooks."""

    def export(self, session_id: str, caller: Caller) -> Notebook:
        """What was run in a session so far."""

    async def execute(
        self, asked: NotebookRequest, caller: Caller, run_id: str, allowance: Allowance, on_progress: OnProgress
    ) -> Executed:
        """The notebook with new outputs."""


class Metrics(Protocol):
    """Numbers for Prometheus."""

    def render(self) -> bytes:
        """All metrics in the text exposition format."""

    def request_answered(self, route: str, method: str, status: int) -> None:
        """A request was answered; *route* is the pattern, never the path."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything an endpoint may use."""

    settings: WebSettings
    keys: Keys
    runner: Runs
    installer: Installer
    history: PastRuns
    health: Health
    gallery: Gallery
    metrics: Metrics
    sessions: Sessions
    jupyter: JupyterKernels
    jupyter_sessions: JupyterSessions
    live: LiveRuns
    notebooks: Notebooks
    files: Files


Answer = dict[str, Json]

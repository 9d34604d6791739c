"""What the endpoints need of the rest of the gateway: one small protocol for each feature that tests replace by a fake."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from gateway.core.files import MAX_DEPTH, FileChanged, FileEntry, Listing, MadeDirectory, Path
from gateway.core.limits import Timeouts
from gateway.core.model import Json
from gateway.core.notebook import Notebook
from gateway.core.request import Allowance, Caller, RunRecord, Runs
from gateway.service.examples.gallery import Gallery
from gateway.service.health import HealthReport
from gateway.service.jupyter.sessions import JupyterSessions
from gateway.service.jupyter.table import JupyterKernels
from gateway.service.packages.installer import Installed
from gateway.service.runs.live import LiveRuns
from gateway.service.runs.watches import Watches
from gateway.service.sandboxes.commands import SandboxCommands
from gateway.service.sandboxes.contexts import SandboxContexts
from gateway.service.sandboxes.table import NewSandbox, SandboxView
from gateway.service.sessions.notebooks import Executed, NotebookRequest, OnProgress
from gateway.service.sessions.table import NewSession, RunStopped, SessionView
from gateway.service.tools.kept_pictures import KeptPictures
from gateway.service.tools.toolbox import ToolAnswer, ToolCall
from kernels.contract import MIB

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The limits and names that the web layer checks requests against."""

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
    """How often a WebSocket is pinged, and how long its client may take to answer with a pong."""
    python: Timeouts = field(default_factory=Timeouts)
    javascript: Timeouts = field(default_factory=lambda: Timeouts(10.0))
    session_idle: Timeouts = field(default_factory=lambda: Timeouts(1800.0, 86_400.0))
    allowance: Allowance = field(default_factory=Allowance)


class Keys(Protocol):
    """Finds the owner of a token; see service.keys.admission."""

    def admit(self, token: str, address: str) -> Caller:
        """The caller whose *token* it is; raises Unauthorized or TooManyRequests. Any wrong token takes the same time."""


class FileLink(Protocol):
    """A new link; see service.keys.links."""

    @property
    def text(self) -> str:
        """What stands for the token in its address."""

    @property
    def expires_utc(self) -> float:
        """Until when it works."""


class OpenedLink(Protocol):
    """What a link opens."""

    @property
    def caller(self) -> Caller:
        """Whose it is."""

    @property
    def session_id(self) -> str:
        """The session with the file."""


class Links(Protocol):
    """Links to files; see service.keys.links."""

    def sign(self, caller: Caller, session_id: str, path: Path, life_s: float) -> FileLink:
        """A new link to one file."""

    def admit(self, text: str, path: Path, address: str) -> OpenedLink:
        """What a link opens; raises Unauthorized, Forbidden or TooManyRequests."""


class Installer(Protocol):
    """Installs packages; see service.packages.installer."""

    async def install(self, package: str) -> Installed:
        """The package, installed now or before."""


class PastRuns(Protocol):
    """Past runs; see service.history."""

    async def newest(self, key_id: str, limit: int) -> Sequence[RunRecord]:
        """The last *limit* runs of a key, newest first."""


class Health(Protocol):
    """Whether the gateway can start kernels."""

    def report(self) -> HealthReport:
        """The present state."""


class Sessions(Protocol):
    """The table of sessions; see service.sessions.table. All methods but create and list raise NotFound or Gone."""

    async def create(self, asked: NewSession, caller: Caller) -> SessionView:
        """Create a session with its kernel."""

    def list(self, caller: Caller) -> Sequence[SessionView]:
        """The caller's sessions, the oldest first."""

    def show(self, session_id: str, caller: Caller) -> SessionView:
        """One session."""

    async def delete(self, session_id: str, caller: Caller) -> None:
        """End a session."""

    async def interrupt(self, session_id: str, caller: Caller) -> RunStopped:
        """Interrupt the run under way, and wait for its end."""

    async def restart(self, session_id: str, caller: Caller) -> SessionView:
        """Give the session a new kernel."""


class Sandboxes(Protocol):
    """The table of sandboxes; see service.sandboxes.table. All methods but create and list raise NotFound or Gone."""

    async def create(self, asked: NewSandbox, caller: Caller) -> SandboxView:
        """Create a sandbox with its contexts."""

    def list(self, caller: Caller) -> Sequence[SandboxView]:
        """The caller's sandboxes, the oldest first."""

    def show(self, sandbox_id: str, caller: Caller) -> SandboxView:
        """One sandbox."""

    def extend(self, sandbox_id: str, caller: Caller, lifetime_s: float | None) -> SandboxView:
        """Set anew when it ends."""

    async def delete(self, sandbox_id: str, caller: Caller) -> None:
        """End a sandbox."""

    def contexts(self, sandbox_id: str, caller: Caller) -> SandboxContexts:
        """The contexts of a sandbox."""

    def commands(self, sandbox_id: str, caller: Caller) -> SandboxCommands:
        """The commands of a sandbox."""


class Packed(Protocol):
    """The bytes of a file to be sent; see kernel.files.Packed."""

    @property
    def is_gzip(self) -> bool:
        """Whether they are gzip."""

    @property
    def pieces(self) -> AsyncIterator[bytes]:
        """The bytes."""


class FileContents(Protocol):
    """A file being read; see kernel.files.FileContents."""

    @property
    def entry(self) -> FileEntry:
        """What it is."""

    def pieces(self, part: range | None = None) -> AsyncIterator[bytes]:
        """Its bytes, or those that *part* numbers; raises GatewayError when they can't be had any more."""

    async def packed(self) -> Packed:
        """All its bytes, as gzip if that is worth it."""


class Files(Protocol):
    """The files of sessions; see service.sessions.files for what each method raises."""

    async def list(
        self,
        session_id: str,
        caller: Caller,
        under: Path = b"",
        *,
        wants_digests: bool = True,
        depth: int = MAX_DEPTH,
    ) -> Listing:
        """The entries of the work directory, or of the directory *under*, and of the *depth* - 1 levels below."""

    def watch(
        self, session_id: str, caller: Caller, under: Path = b"", depth: int = MAX_DEPTH
    ) -> AbstractAsyncContextManager[AsyncIterator[FileChanged | None]]:
        """What changes in a directory from now on."""

    async def stat(self, session_id: str, caller: Caller, path: Path, *, wants_digest: bool = False) -> FileEntry:
        """What *path* names."""

    async def make_directory(self, session_id: str, caller: Caller, path: Path) -> MadeDirectory:
        """Make a directory."""

    async def move(
        self, session_id: str, caller: Caller, source: Path, target: Path, *, replaces: bool = False
    ) -> FileEntry:
        """Give *source* the path *target*."""

    async def set_mode(self, session_id: str, caller: Caller, path: Path, mode: int) -> FileEntry:
        """Set permission bits."""

    def read(self, session_id: str, caller: Caller, path: Path) -> AbstractAsyncContextManager[FileContents]:
        """Open a file for reading."""

    async def write(
        self, session_id: str, caller: Caller, path: Path, pieces: AsyncIterator[bytes], *, is_gzip: bool = False
    ) -> FileEntry:
        """Write one file."""

    async def write_all(self, session_id: str, caller: Caller, files: Sequence[tuple[Path, bytes]]) -> Sequence[FileEntry]:
        """Write several files."""

    async def delete(
        self, session_id: str, caller: Caller, path: Path, *, is_recursive: bool, may_be_missing: bool = False
    ) -> int:
        """Delete the file or directory *path*; the number of entries deleted."""


class Notebooks(Protocol):
    """Exports and executes notebooks; see service.sessions.notebooks."""

    def export(self, session_id: str, caller: Caller) -> Notebook:
        """The runs of a session so far, as a notebook."""

    async def execute(
        self, asked: NotebookRequest, caller: Caller, run_id: str, allowance: Allowance, on_progress: OnProgress
    ) -> Executed:
        """Execute a notebook; the answer has it with new outputs."""


class Tools(Protocol):
    """The tools that agents call; see service.tools.toolbox."""

    async def call(self, call: ToolCall) -> ToolAnswer:
        """The answer to *call*. Raises NotFound for an unknown tool, and what a model cannot mend: Busy and the like."""


class Metrics(Protocol):
    """Metrics for Prometheus."""

    def render(self) -> bytes:
        """All metrics in the text exposition format."""

    def request_answered(self, route: str, method: str, status: int) -> None:
        """Count an answer; *route* is the pattern, never the path."""


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
    watches: Watches
    notebooks: Notebooks
    files: Files
    tools: Tools
    pictures: KeptPictures
    links: Links
    sandboxes: Sandboxes


Answer = dict[str, Json]

"""Carries out calls of tools. What a model can mend itself is an answer; what it cannot is an error of the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from gateway.core.errors import BadRequest, Conflict, Forbidden, GatewayError, Gone, NotFound, TooLarge
from gateway.core.files import FileEntry, Listing, Path, parse_path
from gateway.core.limits import Timeouts
from gateway.core.model import Json, Result, Task
from gateway.core.pictures import Image
from gateway.core.request import Allowance, Caller, RunRequest, Runs, Submission, checked_source, look_at_variables
from gateway.service.tools import tables, text
from gateway.service.tools.arguments import (
    NEW,
    AnalyzeArguments,
    Arguments,
    ChartArguments,
    FilesArguments,
    JavascriptArguments,
    PythonArguments,
    VariablesArguments,
    check,
)
from gateway.service.tools.pictures import Link, LinkBase, Pictures
from gateway.service.tools.table import find
from gateway.steps import in_turns
from kernels.contract import Language
from kernels.run_rules import DEFAULT_DPI

READ_BYTES = 100_000
"""How much of a file a model gets to read."""
MENDED_BY_MODELS = (BadRequest, NotFound, Gone, Conflict, Forbidden, TooLarge)


class OpenFile(Protocol):
    """A file being read."""

    @property
    def entry(self) -> FileEntry:
        """What it is."""

    def pieces(self) -> AsyncIterator[bytes]:
        """Its bytes."""


class SessionFiles(Protocol):
    """The files of sessions; see service.sessions.files."""

    async def list(self, session_id: str, caller: Caller, under: Path = b"", *, wants_digests: bool = True) -> Listing:
        """The entries of the work directory."""

    def read(self, session_id: str, caller: Caller, path: Path) -> AbstractAsyncContextManager[OpenFile]:
        """Open a file for reading."""

    async def write_all(self, session_id: str, caller: Caller, files: Sequence[tuple[Path, bytes]]) -> Sequence[FileEntry]:
        """Write several files."""


class EndSessions(Protocol):
    """Ends sessions; see service.sessions.table."""

    async def delete(self, session_id: str, caller: Caller) -> None:
        """End a session."""


BeginSession = Callable[[Language, float, Caller], Awaitable[str]]
"""The id of a new session of a language, whose runs have so many seconds."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool, by whom, and within which limits."""

    name: str
    arguments: Mapping[str, Json]
    caller: Caller
    run_id: str
    python: Timeouts = field(default_factory=Timeouts)
    javascript: Timeouts = field(default_factory=lambda: Timeouts(10.0))
    allowance: Allowance = field(default_factory=Allowance)
    origin: str = ""
    """Where the caller found the gateway, for links: ``http://127.0.0.1:8080``."""


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a model gets: *text*, and *images* beside it. *is_error*: the call did not do what it was for.

    *links* are those in the text. *session* is the id of the session it was in, "" if none. *request* and *result* are
    those of the run, None if the tool ran no code.
    """

    text: str
    is_error: bool = False
    images: tuple[Image, ...] = ()
    links: tuple[Link, ...] = ()
    session: str = ""
    request: RunRequest | None = None
    result: Result | None = None


class ToolBox:
    """The tools, ready to be called."""

    def __init__(
        self,
        runs: Runs,
        begin: BeginSession,
        sessions: EndSessions,
        files: SessionFiles,
        pictures: Pictures,
        *,
        text_bytes: int = text.DEFAULT_BYTES,
    ) -> None:
        self._runs = runs
        self._begin = begin
        self._sessions = sessions
        self._files = files
        self._pictures = pictures
        self._text_bytes = text_bytes

    async def call(self, call: ToolCall) -> ToolAnswer:
        """The answer to *call*. Raises NotFound for an unknown tool, and what the gateway fails with: Busy and the like."""
        tool = find(call.name)
        try:
            return await self._carry_out(check(tool.takes, call.arguments), call)
        except MENDED_BY_MODELS as error:
            return ToolAnswer(_mendable(error, call), is_error=True)

    async def _carry_out(self, given: Arguments, call: ToolCall) -> ToolAnswer:
        match given:
            case PythonArguments():
                return await self._run("python", given, call)
            case JavascriptArguments():
                return await self._run("javascript", given, call)
            case ChartArguments():
                return await self._run("chart", given, call)
            case AnalyzeArguments():
                return await self._analyze(given, call)
            case FilesArguments():
                return await self._use_files(given, call)
            case VariablesArguments():
                return await self._list_variables(given, call)
            case _:
                raise AssertionError(f"a tool without a way to carry it out: {type(given).__name__}")

    # ---- runs --------------------------------------------------------------------------------------------------------

    async def _run(
        self, task: Task, given: PythonArguments | JavascriptArguments | ChartArguments, call: ToolCall
    ) -> ToolAnswer:
        """Run code in a kernel of its own, in a session, or in a new one, which ends again if the run can't begin."""
        language: Language = "javascript" if task == "javascript" else "python"
        request = _request(task, given, call)
        if given.session != NEW:
            return await self._submit(request, call)
        timeouts = call.javascript if language == "javascript" else call.python
        session_id = await self._begin(language, timeouts.default_s, call.caller)
        try:
            answer = await self._submit(replace(request, session=session_id), call)
        except BaseException:
            await self._sessions.delete(session_id, call.caller)
            raise
        return replace(answer, text=f"{answer.text}\n[New session: {session_id}]")

    async def _analyze(self, given: AnalyzeArguments, call: ToolCall) -> ToolAnswer:
        shape, data = tables.read(given.data)
        inputs: dict[str, Json] = {"analysisType": given.analysisType, "format": shape, "data": data}
        title = f"{given.analysisType} of {shape}"
        return await self._submit(RunRequest("analyze", "", call.python.default_s, inputs, title), call)

    async def _submit(self, request: RunRequest, call: ToolCall) -> ToolAnswer:
        result = await self._runs.run(Submission(request, call.caller, call.run_id, self._allowance(request, call)))
        told = await in_turns(text.read_by_model(result, self._text_bytes, is_kept=bool(request.session)))
        seen = await self._pictures.of(result, LinkBase(call.caller, call.run_id, call.origin))
        told = "\n".join([told, *seen.notes])
        return ToolAnswer(told, not result.success, seen.images, seen.links, request.session, request, result)

    def _allowance(self, request: RunRequest, call: ToolCall) -> Allowance:
        """What the run may send: small pictures, and figures' data only for those who watch its session."""
        chart_bytes = call.allowance.chart_bytes if request.session else 0
        return replace(call.allowance, chart_bytes=chart_bytes, picture_bytes=self._pictures.limit_bytes)

    # ---- sessions ----------------------------------------------------------------------------------------------------

    async def _list_variables(self, given: VariablesArguments, call: ToolCall) -> ToolAnswer:
        request = look_at_variables(given.session)
        result = await self._runs.run(Submission(request, call.caller, call.run_id, call.allowance))
        if result.error is not None:
            return ToolAnswer(f"{result.error.type}: {result.error.message}", is_error=True, session=given.session)
        listed = text.shortened(tables.describe_variables(result.variables), self._text_bytes)
        return ToolAnswer(listed, session=given.session)

    async def _use_files(self, given: FilesArguments, call: ToolCall) -> ToolAnswer:
        actions: Mapping[str, Callable[[FilesArguments, ToolCall], Awaitable[str]]] = {
            "list": self._list_files,
            "read": self._read_file,
            "write": self._write_file,
        }
        return ToolAnswer(await actions[given.action](given, call), session=given.session)

    async def _list_files(self, given: FilesArguments, call: ToolCall) -> str:
        listing = await self._files.list(given.session, call.caller, wants_digests=False)
        return text.shortened(tables.describe_files(listing), self._text_bytes)

    async def _read_file(self, given: FilesArguments, call: ToolCall) -> str:
        kept, size = bytearray(), 0
        async with self._files.read(given.session, call.caller, _path(given)) as contents:
            size = contents.entry.size
            async for piece in contents.pieces():
                kept += piece[: READ_BYTES - len(kept)]
                if len(kept) >= READ_BYTES:
                    break
        return tables.describe_content(bytes(kept), size)

    async def _write_file(self, given: FilesArguments, call: ToolCall) -> str:
        if "text" not in given.model_fields_set:
            raise BadRequest("text is missing: give what to write, or '' for an empty file.")
        body = given.text.encode("utf-8", "replace")
        await self._files.write_all(given.session, call.caller, [(_path(given), body)])
        return f"Wrote {given.path} ({len(body)} bytes)."


def _mendable(error: GatewayError, call: ToolCall) -> str:
    """What a model is told; of a thing that is not there also its name, as the model may have several in mind."""
    if not isinstance(error, NotFound | Gone):
        return error.message
    named = [f"{name} {call.arguments[name]!r:.100}" for name in ("session", "path") if call.arguments.get(name)]
    return f"{error.message} ({', '.join(named)})" if named else error.message


def _path(given: FilesArguments) -> Path:
    if not given.path:
        raise BadRequest(f"path is missing: name the file to {given.action}.")
    return parse_path(given.path.encode("utf-8", "replace"))


def _request(task: Task, given: PythonArguments | JavascriptArguments | ChartArguments, call: ToolCall) -> RunRequest:
    code = checked_source("code", text.without_fence(given.code))
    timeouts = call.javascript if task == "javascript" else call.python
    inputs: dict[str, Json] = {"format": "png", "dpi": DEFAULT_DPI} if task == "chart" else {}
    return RunRequest(task, code, _seconds(given.timeout, timeouts, given.session), inputs, session=given.session)


def _seconds(timeout_ms: float, timeouts: Timeouts, session: str) -> float:
    """The time limit; 0 in a session that has its own."""
    if not timeout_ms:
        return 0.0 if session else timeouts.default_s
    if timeout_ms > timeouts.max_s * 1000:
        raise BadRequest(f"timeout must be at most {timeouts.max_s * 1000:.0f} milliseconds.")
    return timeout_ms / 1000

"""Calls of tools: what runs where, and whose fault a failure is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from gateway.core.errors import Busy, GatewayError, Gone, NotFound
from gateway.core.files import FileChange, FileEntry, Listing, Path
from gateway.core.limits import Timeouts
from gateway.core.model import Display, Json, OnEvent, Result
from gateway.core.request import Allowance, Caller, Control, Submission
from gateway.service.tools.kept_pictures import KeptPictures
from gateway.service.tools.pictures import Pictures
from gateway.service.tools.toolbox import READ_BYTES, ToolAnswer, ToolBox, ToolCall
from kernels.contract import Language

CALLER = Caller("k1", "ada")
RAN = Result(success=True, output="hello\n", stdout="", stderr="", error=None, exit_code=0, wall_s=0.1)


@dataclass(frozen=True)
class Contents:
    """A file."""

    body: bytes

    @property
    def entry(self) -> FileEntry:
        return FileEntry(b"a.txt", "file", len(self.body), 0, b"")

    async def pieces(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self.body), 65_536):
            yield self.body[at : at + 65_536]


@dataclass
class World:
    """Runs, sessions and files, as far as tools see them."""

    error: GatewayError | None = None
    result: Result = RAN
    submitted: list[Submission] = field(default_factory=list)
    begun: list[tuple[Language, float]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    files: dict[Path, bytes] = field(default_factory=dict)

    async def run(self, submission: Submission, on_event: OnEvent | None = None, control: Control | None = None) -> Result:
        self.submitted.append(submission)
        if self.error is not None:
            raise self.error
        return self.result

    async def begin(self, language: Language, timeout_s: float, caller: Caller) -> str:
        self.begun.append((language, timeout_s))
        return "s1"

    async def delete(self, session_id: str, caller: Caller) -> None:
        self.ended.append(session_id)

    async def list(self, session_id: str, caller: Caller, under: Path = b"", *, wants_digests: bool = True) -> Listing:
        entries = (FileEntry(path, "file", len(body), 0, b"") for path, body in self.files.items())
        return Listing(tuple(entries), is_cut=False)

    @asynccontextmanager
    async def read(self, session_id: str, caller: Caller, path: Path) -> AsyncIterator[Contents]:
        if path not in self.files:
            raise NotFound("There is no such file.")
        yield Contents(self.files[path])

    async def write_all(self, session_id: str, caller: Caller, files: Sequence[tuple[Path, bytes]]) -> Sequence[FileEntry]:
        self.files.update(files)
        return []

    async def call(self, name: str, **arguments: Json) -> ToolAnswer:
        """The answer to a call."""
        box = ToolBox(self, self.begin, self, self, Pictures(KeptPictures(), 5000))
        limits = Timeouts(30.0, 300.0), Timeouts(10.0, 300.0), Allowance(chart_bytes=7)
        return await box.call(ToolCall(name, arguments, CALLER, "r1", *limits))


async def test_code_runs_in_a_kernel_of_its_own_by_default() -> None:
    """With the limits of its language."""
    world = World()
    answer = await world.call("code_execute_python", code="print('hello')")
    assert (answer.text, answer.is_error, answer.session) == ("hello", False, "")
    await world.call("code_execute_javascript", code="1", timeout=1500)
    await world.call("code_generate_chart", code="plt.plot([1])")
    tasks = [(one.request.task, one.request.timeout_s, one.request.session) for one in world.submitted]
    assert tasks == [("python", 30.0, ""), ("javascript", 1.5, ""), ("chart", 30.0, "")]
    assert {one.run_id for one in world.submitted} == {"r1"}
    assert world.begun == []


async def test_a_session_keeps_its_own_limit_and_a_new_one_is_told() -> None:
    """A model goes on in it by its id."""
    world = World()
    answer = await world.call("code_execute_python", code="1", session="new")
    assert (answer.text, answer.session) == ("hello\n[New session: s1]", "s1")
    answer = await world.call("code_execute_python", code="1", session="s1")
    assert (answer.text, answer.session) == ("hello", "s1")
    assert [(one.request.session, one.request.timeout_s) for one in world.submitted] == [("s1", 0.0), ("s1", 0.0)]
    assert world.begun == [("python", 30.0)]
    assert world.ended == []


async def test_a_new_session_whose_run_cannot_begin_ends() -> None:
    """Nobody knows its id."""
    world = World(Busy("full"))
    with pytest.raises(Busy):
        await world.call("code_execute_javascript", code="1", session="new")
    assert world.begun == [("javascript", 10.0)]
    assert world.ended == ["s1"]


@pytest.mark.parametrize(("session", "said"), [("", "Without a session"), ("s1", "Files: "), ("new", "Files: ")])
async def test_only_a_session_keeps_files(session: str, said: str) -> None:
    """A model is told which of them are gone."""
    world = World(result=replace(RAN, files=(FileChange(b"a.csv", "created", 12),)))
    assert f"\n[{said}" in (await world.call("code_execute_python", code="1", session=session)).text


@pytest.mark.parametrize("session", ["", "s1"])
async def test_what_a_model_can_mend_is_an_answer(session: str) -> None:
    """It reads the sentence and calls again."""
    for error in (NotFound("There is no such session."), Gone("It has ended.")):
        answer = await World(error).call("code_execute_python", code="1", session=session)
        named = f"{error.message} (session 's1')" if session else error.message
        assert (answer.text, answer.is_error) == (named, True)
    for wrong in ({"code": 1}, {"code": " "}, {"code": "a\0b"}, {"code": "1", "timeout": 300_001}):
        world = World()
        assert (await world.call("code_execute_python", **wrong)).is_error
        assert world.submitted == []


async def test_an_unknown_tool_is_an_error_that_names_the_known() -> None:
    """The program around the model is wrong, not the model."""
    with pytest.raises(NotFound, match="There is no tool 'code_run': the tools are code_execute_python, "):
        await World().call("code_run", code="1")


async def test_kernels_are_asked_for_pictures_that_a_model_can_take() -> None:
    """What comes all the same is told in the text."""
    world = World(result=replace(RAN, displays=(Display("display", {"image/svg+xml": "<svg/>"}),)))
    answer = await world.call("code_execute_python", code="1")
    assert world.submitted[0].allowance.picture_bytes == 5000
    (link,) = answer.links
    assert answer.text == f"hello\n[Picture 1 (image/svg+xml, 6 bytes) can't be shown here. For the user: {link.uri}]"
    assert answer.images == ()


async def test_the_data_of_figures_is_for_those_who_watch() -> None:
    """A model sees the picture, and no other client sees a run without a session."""
    world = World()
    for session in ("", "s1"):
        await world.call("code_generate_chart", code="plt.plot([1])", session=session)
    assert [one.allowance.chart_bytes for one in world.submitted] == [0, 7]


async def test_data_is_never_code() -> None:
    """It is handed on as data, in the form it came in."""
    world = World()
    await world.call("code_analyze_data", data='[{"a": 1}]', analysisType="stats")
    request = world.submitted[0].request
    assert (request.task, request.code) == ("analyze", "")
    assert request.inputs == {"analysisType": "stats", "format": "records", "data": [{"a": 1}]}


async def test_files_of_a_session_are_listed_read_and_written() -> None:
    """As text, and a large one by its beginning."""
    world = World()
    written = await world.call("code_session_files", session="s1", action="write", path="a.txt", text="hé")
    assert written.text == "Wrote a.txt (3 bytes)."
    assert (await world.call("code_session_files", session="s1", action="list")).text == "a.txt (3 bytes)"
    assert (await world.call("code_session_files", session="s1", action="read", path="a.txt")).text == "hé"
    world.files[b"big"] = b"x" * (READ_BYTES + 5)
    big = (await world.call("code_session_files", session="s1", action="read", path="big")).text
    assert big == "x" * READ_BYTES + "\n[5 bytes left out: read them with code.]"


@pytest.mark.parametrize(
    ("action", "path"), [("read", ""), ("write", ""), ("read", "no"), ("read", "../a"), ("write", "/a")]
)
async def test_a_wrong_file_is_an_answer(action: str, path: str) -> None:
    """And nothing is written."""
    world = World()
    answer = await world.call("code_session_files", session="s1", action=action, path=path, text="x")
    assert answer.is_error
    assert world.files == {}


async def test_variables_are_looked_at_without_a_run_of_the_session() -> None:
    """It is no activity and no run of the caller's code."""
    world = World()
    assert (await world.call("code_session_variables", session="s1")).text == "(no variables)"
    assert world.submitted[0].request.task == "variables"

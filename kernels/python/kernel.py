"""ipykernel's kernel, with one more kind of request: those with ``omega`` in their metadata."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ipykernel.ipkernel import IPythonKernel
from traitlets import Type

from kernels.python import pip_commands, refusals, standard_input, usage
from kernels.python.around import Around, WorkFolder
from kernels.python.event_loops import ScriptLoops
from kernels.python.history import KernelHistory
from kernels.python.host_tools.offer import ToolOffer
from kernels.python.questions import Questions
from kernels.python.request import Outcome, parse
from kernels.python.shell import Compiler, Shell
from kernels.python.shown import figures, inline, tracebacks
from kernels.python.shown.album import Bundle, album
from kernels.python.shown.chart_data.reading import MIME as CHART_MIME
from kernels.python.shown.drawing import MIME, Picture
from kernels.python.shown.widgets import views
from kernels.python.tasks.run import TaskRun
from kernels.serving import attribution, small_pictures
from kernels.serving.interrupts import Interrupts
from kernels.serving.odd_characters import BOM
from kernels.serving.publisher import Publisher
from kernels.serving.served import NoShellThread, Served
from kernels.serving.streams import OutputRecord, OutputStream
from kernels.serving.texts import clean, cuts


class PythonKernel(Served, IPythonKernel):
    """One kernel. Made in the zygote without sockets or threads; the child attaches both."""

    shell_class = Type(Shell)
    compiler_class = Type(Compiler)
    _execute_sleep = 0
    folder = WorkFolder()
    """Set once in the child."""

    def __init__(self, publisher: Publisher, record: OutputRecord, interrupts: Interrupts, **traits: Any) -> None:
        super().__init__(shell_channel_thread=NoShellThread(), iopub_socket=publisher, **traits)
        self.record = record
        self.interrupts = interrupts
        self.loops = ScriptLoops()
        self.questions = Questions()
        self.streams = OutputStream(record, "stdout", 1), OutputStream(record, "stderr", 2)
        self._omega = None
        self.tools = ToolOffer(self.publish, lambda: attribution.request_here(record.parent))
        figures.gallery.publish = self._publish_picture
        album.publish = self._publish_bundle
        views.update = self._update_bundle
        refusals.install(self.shell)
        pip_commands.add_magics(self.shell)

    def set_parent(self, ident: Any, parent: Any, channel: str = "shell") -> None:
        """Attribute later output to the request *parent*, also that of code which continues later."""
        super().set_parent(ident, parent, channel)
        if channel == "shell":
            attribution.enter(parent)

    def take_answer(self, content: bytes) -> None:
        """Hand an answer of the host to the code that waits for it."""
        self.tools.take(json.loads(content))

    def pre_handler_hook(self) -> None:
        """Begin a request; the base class would make all of its handling interruptible."""
        self.interrupts.expect()

    def post_handler_hook(self) -> None:
        """End a request."""
        self.interrupts.refuse()

    @contextmanager
    def cancel_on_sigint(self, future: asyncio.Future[Any]) -> Iterator[None]:
        """Let an interrupt cancel *future*; only a threadsafe call wakes the loop up."""
        loop = asyncio.get_running_loop()
        with self.interrupts.calling(lambda: loop.call_soon_threadsafe(future.cancel)):
            yield

    _cancel_on_sigint = cancel_on_sigint  # the name by which ipykernel calls it

    async def do_execute(self, code: str, silent: bool, *args: Any, cell_meta: Any = None, **kwargs: Any) -> Any:  # noqa: FBT001  # as ipykernel calls it
        """Run *code* and answer with the content of the reply."""
        self.questions.begin_run()
        code = code.removeprefix(BOM)
        request = parse((cell_meta or {}).get("omega"))
        if request is None:
            return await self._execute_plain(code, silent, *args, cell_meta=cell_meta, **kwargs)
        meter = usage.UsageMeter()
        cuts.happened = False
        around = Around(self.folder, request)
        with self._ours(is_silent=silent):
            run = TaskRun(self, request, code)
            outcome = await self._run(run, around, store_history=kwargs.get("store_history", True))
            outcome = self._with_all_output(outcome)
        self._omega = {"variables": outcome.variables, "usage": meter.read(), "truncated": cuts.happened, **around.report()}
        if outcome.value is not None:
            self._omega["return_value"] = outcome.value
        if outcome.exit_code is not None:
            self._omega["exit_code"] = outcome.exit_code
        return self._reply(outcome)

    async def _execute_plain(self, *args: Any, **kwargs: Any) -> Any:
        figures.gallery.begin()
        small_pictures.begin()
        inline.apply()
        try:
            with self.interrupts.allowed():
                reply = await super().do_execute(*args, **kwargs)
        except KeyboardInterrupt as error:  # between the lines of the shell's own code: still a reply
            self.interrupts.refuse()
            failure = tracebacks.describe(error)
            reply = {"status": "error", **failure.content(), "execution_count": self.shell.execution_count - 1}
        self._finish_plain()
        return reply

    async def _run(self, run: TaskRun, around: Around, *, store_history: bool) -> Outcome:
        try:
            with around.inside():
                return await run.run(store_history=store_history)
        except BaseException as error:  # noqa: BLE001  # every request gets its reply, whatever code has done to us
            self.interrupts.refuse()
            return Outcome(tracebacks.describe(error))
        finally:
            self.end_if_forked()
            sys.stdout, sys.stderr = self.streams  # code may have put anything there; the next run needs them

    def _with_all_output(self, outcome: Outcome) -> Outcome:
        """*outcome* after its output was sent; a failure if some output had to be dropped."""
        self._write_pages()
        self.record.finish()
        try:
            self.record.own_up()
        except MemoryError as error:
            return replace(outcome, failure=outcome.failure or tracebacks.describe(error))
        return outcome

    def end_if_forked(self) -> None:
        """End a process that user code forked and let run on: only the original may answer."""
        if not self.record.is_owner():
            for stream in self.streams:
                stream.flush()
            os._exit(0)

    def _finish_plain(self) -> None:
        self.end_if_forked()
        try:
            figures.gallery.finish()
        except Exception:  # noqa: BLE001  # drawing failed: the shell shows why, as it does for a plain inline figure
            self.shell.showtraceback()
        self.record.finish()

    @contextmanager
    def _ours(self, *, is_silent: bool) -> Iterator[None]:
        self._forward_input(False)
        self.shell.compile.is_silent = is_silent
        self.shell.is_ours = self.shell.compile.is_ours = True
        try:
            yield
        finally:
            self.shell.is_ours = self.shell.compile.is_ours = False
            self._restore_input()

    def raw_input(self, prompt: str = "") -> str:
        """Implements ``input``: plain clients are asked; a run of our own reads what it was given."""
        if self.shell.is_ours:
            return standard_input.read_line(prompt, sys.stdout, "input()")
        return str(super().raw_input(prompt))

    def getpass(self, prompt: str = "", *args: Any, **kwargs: Any) -> str:
        """Implements ``getpass.getpass``."""
        if self.shell.is_ours:
            return standard_input.read_line(prompt, sys.stderr, "getpass()")
        return str(super().getpass(prompt, *args, **kwargs))

    def _input_request(self, prompt: str, ident: Any, parent: Any, password: bool = False) -> str:  # noqa: FBT001, FBT002  # as ipykernel calls it
        """Implements both: the base class lets threads take one another's answers."""
        for stream in self.streams:
            stream.flush()
        question = {"prompt": clean(str(prompt)), "password": password}
        return self.questions.ask(self.session, self.stdin_socket, question, ident, parent)

    def _write_pages(self) -> None:
        """Print what a pager would show (``len?``), because no client reads a reply's payload."""
        manager = self.shell.payload_manager
        for payload in manager.read_payload():
            if payload.get("source") == "page":
                self.streams[0].write(str(payload["data"].get("text/plain", "")).rstrip("\n") + "\n")
        manager.clear_payload()

    def _reply(self, outcome: Outcome) -> dict[str, Any]:
        reply: dict[str, Any] = {"status": "ok", "user_expressions": {}, "payload": []}
        failure = outcome.failure
        if failure is not None:
            content = failure.content()
            reply = {**reply, **content, "status": "error"}
            self.record.finish()
            self.send_response(self.iopub_socket, "error", content, ident=self._topic("error"))
        self.record.finish()
        reply["execution_count"] = self.shell.execution_count - 1
        return reply

    def do_is_complete(self, code: str) -> dict[str, Any]:
        """Whether *code* is complete."""
        return dict(super().do_is_complete(code.removeprefix(BOM)))

    def do_history(
        self,
        hist_access_type: str,
        output: bool,  # noqa: FBT001  # as ipykernel calls it
        raw: bool,  # noqa: FBT001  # as ipykernel calls it
        session: int = 0,
        start: int = 0,
        stop: int | None = None,
        n: int | None = None,
        pattern: str | None = None,
        unique: bool = False,  # noqa: FBT001, FBT002  # as ipykernel calls it
    ) -> dict[str, Any]:
        """The history: the base class reads a database, which kernels lack."""
        past = KernelHistory(self.shell.history_manager, raw=raw, output=output)
        match hist_access_type:
            case "tail":
                entries = past.tail(n)
            case "range":
                entries = past.range(session, start, stop)
            case "search":
                entries = past.search(pattern or "*", n, unique=unique)
            case _:
                entries = []
        return {"status": "ok", "history": entries}

    def _publish_picture(self, picture: Picture) -> None:
        data = small_pictures.added_to({**bundle_of(picture), "text/plain": picture.text})
        self.publish("display_data", {"data": data, "metadata": inline.metadata(picture), "transient": {}})

    def _publish_bundle(self, bundle: Bundle) -> None:
        self.publish("display_data", {"data": dict(small_pictures.added_to(bundle)), "metadata": {}, "transient": {}})

    def _update_bundle(self, bundle: Bundle, display_id: str) -> None:
        content = {"data": dict(bundle), "metadata": {}, "transient": {"display_id": display_id}}
        self.publish("update_display_data", content)


def bundle_of(picture: Picture) -> dict[str, Any]:
    """*picture* by MIME type, and beside it what it shows as data."""
    is_text = picture.mime == MIME["svg"]
    body = picture.data.decode("utf-8") if is_text else base64.b64encode(picture.data).decode("ascii")
    return {picture.mime: body} if picture.chart is None else {picture.mime: body, CHART_MIME: picture.chart}

"""Carries out requests with omega metadata: one TaskRun for each."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

from IPython.core.async_helpers import _pseudo_sync_runner

from kernels.python.event_loops import ScriptLoops
from kernels.python.host_tools.offer import ToolOffer
from kernels.python.request import Outcome, TaskRequest
from kernels.python.shown import figures, inline, tracebacks, values
from kernels.python.shown.album import album
from kernels.python.shown.drawing import Format
from kernels.python.shown.widgets import views
from kernels.python.tables import page
from kernels.python.tasks import analyze, expression, setup, variables
from kernels.run_rules import MAX_DPI, MIN_DPI, NO_CHART
from kernels.serving import small_pictures
from kernels.serving.interrupts import Interrupts
from kernels.serving.streams import OutputStream
from kernels.serving.texts import cuts

CHART_SAVED = "Chart saved successfully\n"


class ChartError(Exception):
    """The chart code drew nothing."""

    __module__ = "builtins"


class RunningKernel(Protocol):
    """What a run needs of its kernel."""

    shell: Any
    interrupts: Interrupts
    loops: ScriptLoops
    tools: ToolOffer
    streams: tuple[OutputStream, OutputStream]
    """stdout and stderr."""

    def publish(self, message: str, content: dict[str, Any]) -> None:
        """Send a message of the run on iopub."""

    def cancel_on_sigint(self, future: asyncio.Future[Any]) -> AbstractContextManager[None]:
        """Cancel *future* at an interrupt within the block."""

    def end_if_forked(self) -> None:
        """End this process if the code forked it."""


class TaskRun:
    """One run of the caller's code or data."""

    def __init__(self, kernel: RunningKernel, request: TaskRequest, code: str) -> None:
        self._kernel = kernel
        self._shell: Any = kernel.shell
        self._request = request
        self._code = code
        self._bound: set[str] = set()
        self._listed: dict[str, Any] = {}
        self._answer: dict[str, Any] | None = None

    async def run(self, *, store_history: bool) -> Outcome:
        """Do the task, publish its output, and return its outcome."""
        before = dict(self._shell.user_ns)
        error: BaseException | None = None
        try:
            self._begin_figures()
            error = await self._do(store_history=store_history)
            self._kernel.end_if_forked()
            self._finish_figures(error)
        except BaseException as raised:  # noqa: BLE001  # the caller's code, or an interrupt while its results are drawn
            self._kernel.interrupts.refuse()
            error = error or raised
        finally:
            album.close()
            views.close()
        return self._outcome(error, before)

    async def _do(self, *, store_history: bool) -> BaseException | None:
        match self._request.task:
            case "analyze":
                self._analyze()
            case "math":
                self._evaluate()
            case "setup":
                setup.apply(self._shell, self._request.inputs)
            case "variables":
                self._list()
            case "table":
                self._show_table()
            case _:
                with self._kernel.tools.inside(self._request.tools, self._shell.user_ns):
                    return await self._execute(store_history=store_history)
        return None

    def _outcome(self, error: BaseException | None, before: dict[str, Any]) -> Outcome:
        failure = code = None
        if isinstance(error, SystemExit):
            failure = tracebacks.describe(error)
            code = _exit_code(error, self._kernel.streams[1])
        elif error is not None:
            failure = tracebacks.describe(error)
        if self._request.task == "variables":
            return Outcome(failure, self._listed)
        if self._request.task == "table":
            return Outcome(failure, value=self._answer)
        if not self._request.wants_variables or self._request.task not in ("python", "chart"):
            return Outcome(failure, exit_code=code)
        return Outcome(failure, variables.changed(before, self._names(), self._bound), code)

    def _names(self) -> dict[str, Any]:
        """The caller's names in the namespace; keys of other types could run the caller's code."""
        hidden, present = self._shell.user_ns_hidden, list(self._shell.user_ns.items())
        return {name: value for name, value in present if type(name) is str and hidden.get(name, self) is not value}

    def _list(self) -> None:
        """Describe every name. Callers can change libraries, so an interrupt must be able to end this."""
        with self._kernel.interrupts.allowed():
            self._listed, is_whole = variables.listing(self._names())
        cuts.happened = cuts.happened or not is_whole

    def _show_table(self) -> None:
        """Answer with a part of one of the values that are listed."""
        with self._kernel.interrupts.allowed():
            listed = {name: value for name, value in self._names().items() if variables.is_listed(name, value)}
            self._answer = page.answer(listed, self._request.inputs)

    # -- python and chart ---------------------------------------------------------------------------------------------

    def _begin_figures(self) -> None:
        figures.gallery.begin(*self._image_options(), self._request.chart_bytes)
        small_pictures.begin(self._request.picture_bytes)
        if "format" not in self._request.inputs:
            inline.apply()
        if self._request.task in ("python", "chart"):
            album.begin()
            views.begin()

    def _image_options(self) -> tuple[Format, float | None]:
        inputs = self._request.inputs
        dpi = inputs.get("dpi")
        return (
            "svg" if inputs.get("format") == "svg" else "png",
            float(min(max(dpi, MIN_DPI), MAX_DPI)) if isinstance(dpi, int | float) and not isinstance(dpi, bool) else None,
        )

    async def _execute(self, *, store_history: bool) -> BaseException | None:
        shell = self._shell
        if self._request.task == "chart":
            for name, module in _chart_names().items():
                shell.user_ns.setdefault(name, module)
        shell.displayhook.wants_json = self._request.task == "python"
        shell.failure = None
        cell, problem = self._transform()
        coroutine = shell.run_cell_async(
            self._code, store_history=store_history, transformed_cell=cell, preprocessing_exc_tuple=problem
        )
        collector = _Names(self._bound)
        shell.ast_transformers.append(collector)
        try:
            if problem is None and shell.should_run_async(self._code, transformed_cell=cell):
                self._kernel.tools.await_in(shell.user_ns)
                await self._until_interrupted(coroutine)
            else:
                with self._kernel.loops.outside(), self._kernel.interrupts.allowed():
                    _pseudo_sync_runner(coroutine)
        finally:
            coroutine.close()  # an interrupt may have come before its first step
            if collector in shell.ast_transformers:
                shell.ast_transformers.remove(collector)
        return cast("BaseException | None", shell.failure)

    async def _until_interrupted(self, coroutine: Any) -> None:
        future = asyncio.ensure_future(coroutine)
        with self._kernel.cancel_on_sigint(future), self._kernel.interrupts.allowed():
            await future
        failure = self._shell.failure
        if isinstance(failure, asyncio.CancelledError):  # nothing else references this task
            self._shell.failure = KeyboardInterrupt().with_traceback(failure.__traceback__)

    def _transform(self) -> tuple[str, Any]:
        try:
            cell = self._shell.transform_cell(self._code)
        except Exception:  # noqa: BLE001  # IPython's transformers raise what they like; the run reports it
            return self._code, sys.exc_info()
        # IPython drops leading blank lines; put them back, so that line numbers are the caller's.
        lines = self._code.splitlines()
        blank = next((number for number, line in enumerate(lines) if line.strip()), 0)
        return "\n" * blank + cell, None

    def _finish_figures(self, error: BaseException | None) -> None:
        with self._kernel.interrupts.allowed():
            try:
                figures.gallery.finish()
            finally:
                album.finish()
                views.finish()
        if self._request.task != "chart" or error is not None:
            return
        if not (figures.gallery.count or album.has_pictures):
            raise ChartError(NO_CHART)
        self._kernel.streams[0].write(CHART_SAVED)

    # -- analyze and math ---------------------------------------------------------------------------------------------

    def _analyze(self) -> None:
        with self._kernel.interrupts.allowed():
            report = analyze.analyze(self._request.inputs)
        self._kernel.streams[0].write(report.text)
        self._publish_result({"text/plain": report.text.strip("\n"), "application/json": report.numbers})

    def _evaluate(self) -> None:
        code = expression.compile_expression(self._code, tracebacks.CODE_NAME)
        tracebacks.remember_source(tracebacks.CODE_NAME, self._code.strip())
        with self._kernel.loops.outside(), self._kernel.interrupts.allowed():
            result = eval(code, self._expression_names())
            expression.check(result)
            shown, bundle = self._shell.shown_text(result), self._bundle(result)
        self._kernel.streams[0].write(f"Result: {shown}\n")
        self._publish_result(bundle)

    def _expression_names(self) -> dict[str, Any]:
        """The names of an expression: in a session also the session's names."""
        names = expression.names()
        return {**names, **self._shell.user_ns} if self._request.inputs.get("session") is True else names

    def _bundle(self, result: Any) -> dict[str, Any]:
        text = self._shell.plain_text(result)
        try:
            return {"text/plain": text, "application/json": values.to_json(result)}
        except values.NotJsonError:
            return {"text/plain": text, "application/json": text}

    def _publish_result(self, bundle: dict[str, Any]) -> None:
        count = self._shell.execution_count
        self._shell.execution_count += 1
        self._kernel.publish("execute_result", {"data": bundle, "metadata": {}, "execution_count": count})


class _Names:
    """Records the names that the parsed source binds, on its way to the compiler."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def visit(self, tree: Any) -> Any:
        self._names |= variables.bound_names(tree)
        return tree


def _chart_names() -> dict[str, Any]:
    import matplotlib.pyplot as plt  # imported here, so that other tasks never wait for it
    import numpy as np
    import pandas as pd
    import seaborn as sns

    return {"plt": plt, "np": np, "pd": pd, "sns": sns}


def _exit_code(error: SystemExit, stderr: Any) -> int:
    """The exit status as for a script: 0 to 255; any other value is printed to stderr and means 1."""
    code = error.code
    if code is None or isinstance(code, int):
        return int(code or 0) & 0xFF
    stderr.write(tracebacks.text_of(code) + "\n")
    return 1

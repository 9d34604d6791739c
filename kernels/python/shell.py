"""IPython's shell as the kernels use it: no history on disk, no pty, plain results for our own requests."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from typing import Any

from ipykernel.compiler import XCachingCompiler
from ipykernel.displayhook import ZMQShellDisplayHook
from ipykernel.zmqshell import ZMQDisplayPublisher, ZMQInteractiveShell
from IPython.core import formatters
from IPython.core.autocall import ZMQExitAutocall
from IPython.core.profiledir import ProfileDir
from IPython.lib import pretty
from IPython.utils.dir2 import get_real_method
from traitlets import Type, default
from traitlets.config import Config

from kernels.python import pip_commands
from kernels.python.memory_store import MemoryStore
from kernels.python.shown import figures, frames, inline, tracebacks, values
from kernels.python.shown.album import Bundle, album
from kernels.python.shown.chart_data import reading
from kernels.python.shown.widgets import views
from kernels.serving import small_pictures
from kernels.serving.texts import about_digits, clean, cut, cuts, digits_of, many_digits, type_name

TEXT_CHARS = 100_000
JSON_CHARS = 64 * 1024


class Profile(ProfileDir):
    """A profile that never touches the disk."""

    def _mkdir(self, path: str, mode: int | None = None) -> bool:
        return False

    def check_dirs(self) -> None:
        """Create no directory."""


class Compiler(XCachingCompiler):
    """Names our own requests' source ``<code>``, with a number from the second one of a session on.

    Silent requests do not count: callers never see their source.
    """

    is_ours = False
    is_silent = False
    _count = 0

    def get_code_name(self, raw_code: str, code: str, number: int) -> str:
        """The file name of a cell's source."""
        if not self.is_ours:
            return str(super().get_code_name(raw_code, code, number))
        self._count += not self.is_silent
        return tracebacks.CODE_NAME if self._count <= 1 else f"<code {self._count}>"

    def forget(self) -> None:
        """Number from the start again."""
        self._count = 0
        self._filename_map.clear()
        self.reset_compiler_flags()


class Exit(ZMQExitAutocall):
    """``exit`` and ``quit``: in our own requests they end the run, not the kernel."""

    def __call__(self, code: object = None, keep_kernel: bool = False) -> None:  # noqa: FBT001, FBT002  # as IPython calls it
        """End the run with *code*."""
        if self._ip.is_ours:
            raise SystemExit(code)
        super().__call__(keep_kernel)


class DisplayFormatter(formatters.DisplayFormatter):
    """Makes the MIME forms of values. *depth* is above 0 while it does: an error is then the form's, not the run's."""

    depth = 0

    def format(self, *args: Any, **kwargs: Any) -> Any:
        """The MIME bundle of a value and its metadata; a form whose method raises is left out, and the error shown."""
        self.depth += 1
        try:
            return super().format(*args, **kwargs)
        finally:
            self.depth -= 1


class DisplayPublisher(ZMQDisplayPublisher):
    """Publishes what ``display`` shows; in our own requests not a picture that is there already."""

    def publish(self, data: Any, *args: Any, **kwargs: Any) -> None:
        """Show the bundle *data*."""
        if not isinstance(data, dict):
            super().publish(data, *args, **kwargs)  # raises
            return
        shown = album.show(data, _figure_data)
        if kwargs.get("update") or (kwargs.get("transient") or {}).get("display_id"):
            shown = data  # another display may refer to this one
        elif display_id := views.note(data):
            kwargs["transient"] = {"display_id": display_id}
        if shown.keys() >= data.keys() or shown.keys() - {"text/plain"}:
            super().publish(small_pictures.added_to(shown), *args, **kwargs)


def _figure_data(figure: Any) -> Bundle:
    limit = figures.gallery.chart_bytes
    return {reading.MIME: reading.read(figure, limit)} if limit else {}


class DisplayHook(ZMQShellDisplayHook):
    """Publishes the last expression's value; for our own requests bounded, plain, and as JSON where it fits."""

    wants_json = False

    def __call__(self, result: Any = None) -> None:
        """Show *result*; one that displays itself is then shown already."""
        if not self.shell.is_ours or self.quiet() or get_real_method(result, "_ipython_display_") is None:
            super().__call__(result)
        else:
            self.shell.format_rich(result)
            self.update_user_ns(result)

    def compute_format_data(self, result: Any) -> Any:
        """The MIME bundle of *result* and its metadata."""
        if not self.shell.is_ours:
            return super().compute_format_data(result)
        bundle, metadata = self.shell.format_rich(result)
        bundle = dict(small_pictures.added_to(album.show(bundle, _figure_data)))
        if self.wants_json and "application/json" not in bundle:
            try:
                self._add_json(result, bundle, metadata)
            except (values.NotJsonError, ValueError, TypeError, OverflowError):
                return bundle, metadata  # no JSON form: the text is enough
        return bundle, metadata

    def _add_json(self, result: Any, bundle: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Add *result* to *bundle* as JSON; of a long frame or series its start, which *metadata* then says."""
        room = {"max_chars": JSON_CHARS, "max_items": JSON_CHARS // 8}
        try:
            bundle["application/json"] = values.to_json(result, **room)
        except values.TooMuchError:
            start = frames.start_as_json(result, **room)
            if start is not None:
                cuts.happened = True
                bundle["application/json"], rows = start
                metadata["cut"] = {"application/json": {"rows": rows, "of": len(result)}}

    def log_output(self, format_dict: Any) -> None:
        """Remember outputs for ``%history`` of plain clients only: our sessions must not grow with every result."""
        if not self.shell.is_ours:
            super().log_output(format_dict)


class Shell(ZMQInteractiveShell):
    """The shell of one kernel. *is_ours* while a request with omega metadata runs."""

    displayhook_class = Type(DisplayHook)
    display_pub_class = Type(DisplayPublisher)
    is_ours = False
    failure: BaseException | None = None

    @default("exiter")
    def _exiter_default(self) -> Exit:
        return Exit(self)

    def init_environment(self) -> None:
        """Leave the environment unchanged: the child sets it, without colours."""

    def init_display_formatter(self) -> None:
        """Make the formatter that tells its errors from those of the code."""
        self.display_formatter = DisplayFormatter(parent=self)
        self.configurables.append(self.display_formatter)

    def enable_matplotlib(self, gui: Any = None) -> tuple[str, str]:
        """Accept ``%matplotlib`` of any kind, and say so if it asks for another: there is one backend."""
        inline.say_of_backend(gui)
        return "inline", "inline"

    def enable_gui(self, gui: Any = None) -> None:
        """Accept ``%gui`` without effect."""

    def init_history(self) -> None:
        """Keep history, and what magics keep, in memory only."""
        self.db = MemoryStore()
        self.config.HistoryManager.enabled = False
        super().init_history()

    def system_piped(self, cmd: str) -> None:
        """Run a shell command whose output goes where this process's output goes; no terminal is needed."""
        command = self.var_expand(cmd, depth=1)
        self.user_ns["_exit_code"] = 1
        if (said := pip_commands.answer_install(command)) is not None:
            sys.stdout.write(said)
            self.user_ns["_exit_code"] = 0
            return
        code = subprocess.run(["/bin/sh", "-c", command], check=False).returncode
        self.user_ns["_exit_code"] = code

    system = system_piped

    def atexit_operations(self) -> None:
        """Nothing to save."""

    async def run_code(self, code_obj: Any, result: Any = None, *, async_: bool = False) -> bool:
        """Run compiled code and say whether it raised."""
        if not self.is_ours:
            return bool(await super().run_code(code_obj, result, async_=async_))
        try:
            if async_:
                await eval(code_obj, self.user_global_ns, self.user_ns)
            else:
                exec(code_obj, self.user_global_ns, self.user_ns)
        except BaseException as error:  # noqa: BLE001  # whatever the caller's code raises is the run's outcome
            self.failure = error
            if result is not None:
                result.error_in_exec = error
            return True
        return False

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        """Show the current exception; our own requests only note it."""
        if not self.is_ours:
            super().showtraceback(exc_tuple, *args, **kwargs)
            return
        error = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        if not self.display_formatter.depth:
            self.failure = error
        elif error is not None:
            sys.stderr.write(tracebacks.describe(error).traceback)

    def showsyntaxerror(self, filename: Any = None, running_compiled_code: bool = False) -> None:  # noqa: FBT001, FBT002  # as IPython calls it
        """Show the current syntax error; our own requests only note it."""
        if not self.is_ours:
            super().showsyntaxerror(filename, running_compiled_code)
        else:
            self.failure = sys.exc_info()[1]

    def _format_exception_for_storage(self, exception: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.is_ours:
            return super()._format_exception_for_storage(exception, *args, **kwargs)
        return {"ename": type(exception).__name__, "evalue": "", "traceback": []}

    def format_rich(self, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """All MIME forms of *value*. A form whose method raises is left out; the text is always there."""
        bundle, metadata = self.display_formatter.format(value, exclude={"text/plain"})
        return {"text/plain": self.plain_text(value), **bundle}, metadata

    def plain_text(self, value: Any) -> str:
        """The text of *value*, cut when it is long, and naming the error when its repr raises one."""
        if type(value) in (str, bytes, bytearray) and len(value) > TEXT_CHARS:
            cuts.happened = True
            return f"{value[:TEXT_CHARS]!r}... [{len(value) - TEXT_CHARS} more]"
        if type(value) is int:
            return self._integer_text(value)
        with many_digits():
            if frames.may_be_shown_whole(value):
                with frames.all_columns():
                    text = self._pretty(value)
                if len(text) <= frames.WIDE_CHARS:
                    return text
            return self._pretty(value)

    def _integer_text(self, value: int) -> str:
        text = digits_of(value)
        if text is None:
            cuts.happened = True
            return f"<{about_digits(value)}>"
        return text

    def _pretty(self, value: Any) -> str:
        stream = _Bounded()
        formatter = self.display_formatter.formatters["text/plain"]
        printer = pretty.RepresentationPrinter(
            stream,
            max_width=formatter.max_width,
            max_seq_length=formatter.max_seq_length,
            singleton_pprinters=formatter.singleton_printers,
            type_pprinters=formatter.type_printers,
            deferred_pprinters=formatter.deferred_printers,
        )
        try:
            printer.pretty(value)
            printer.flush()
        except _FullError:
            cuts.happened = True
            return clean(stream.getvalue()[:TEXT_CHARS]) + "... [cut]"
        except Exception as error:  # noqa: BLE001  # the caller's __repr__ may raise anything
            return (
                f"<{type_name(type(value))} object; its repr raised {type_name(type(error))}: {tracebacks.message(error)}>"
            )
        return clean(stream.getvalue())

    def shown_text(self, value: Any) -> str:
        """What ``print`` shows of *value*, bounded like its repr."""
        if type(value) is int:
            return self._integer_text(value)
        with many_digits():
            return clean(cut(tracebacks.text_of(value), TEXT_CHARS))


class _FullError(Exception):
    """The text is long enough."""


class _Bounded(StringIO):
    """Collects text up to a limit."""

    _chars = 0

    def write(self, text: str) -> int:
        self._chars += len(text)
        super().write(text[:TEXT_CHARS])
        if self._chars > TEXT_CHARS:
            raise _FullError
        return len(text)


def config() -> Config:
    """The configuration of shell and kernel."""
    made = Config()
    made.HistoryManager.enabled = False
    made.InteractiveShell.colors = "nocolor"
    made.Completer.use_jedi = False
    return made

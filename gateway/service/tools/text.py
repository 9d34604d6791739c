"""A run as a model should read it: output, value, error, and what changed; long text by its head and its tail."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from typing import Final

import orjson

from gateway.core import terminal
from gateway.core.charts import is_chart
from gateway.core.files import FileChange
from gateway.core.model import Json, Limit, Raised, Result
from gateway.core.strict_json import text_bytes

DEFAULT_BYTES: Final = 20_000
_TAIL_SHARE: Final = 3
"""One third of the room is for the end, where errors and results stand."""
_OF_PLOTS: Final = re.compile(r"<(matplotlib|Axes|Figure|mpl_toolkits|seaborn)[ .:]|<\w*Container object|^Text\(")
_LINE_CHARS: Final = 120
"""A longer value is shown on several lines."""
_FENCE: Final = re.compile(r"(`{3,}|~{3,})[^`\n]*$")
_NOTHING_RETURNED: Final = "(no output: a value needs return, or console.log)"


def read_by_model(result: Result, limit_bytes: int = DEFAULT_BYTES, *, is_kept: bool = True) -> Generator[None, None, str]:
    """What happened in a run, in steps between which others are served: everything that a model can act on, once.

    *is_kept*: it was in a session, which keeps its files.
    """
    shown = yield from terminal.shown(result.output)
    output = shown.strip("\n")
    parts = [output, *_values(result, output), *_error(result.error), *_notes(result, is_kept=is_kept)]
    nothing = _NOTHING_RETURNED if result.gave_nothing and not is_kept else "(no output)"
    text = "\n".join(part for part in parts if part) or nothing
    return shortened(text, limit_bytes)


def _values(result: Result, output: str) -> Iterable[str]:
    """Values that are shown, but for those that are in *output* or beside it as pictures: an analysis prints its own, and
    what a plot function returns is the figure's."""
    has_pictures = any(map(is_chart, result.displays))
    for display in result.displays:
        text = display.data.get("text/plain")
        if not isinstance(text, str) or is_chart(display) or text.strip("\n") == output:
            continue
        if not (has_pictures and _OF_PLOTS.search(text)):
            yield text
    # In a session the last value is shown, too, as people read it.
    if result.return_value is not None and all(display.kind != "result" for display in result.displays):
        yield _as_json(result.return_value)


def _as_json(value: Json) -> str:
    if isinstance(value, str):
        return value
    short = orjson.dumps(value).decode()
    return short if len(short) <= _LINE_CHARS else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _error(error: Raised | None) -> Iterable[str]:
    """The traceback, and what it does not say: at a limit it ends with the interrupt that ended the code."""
    if error is None:
        return
    traceback = error.traceback.rstrip("\n")
    if traceback:
        yield traceback
    if error.type not in traceback or error.message.partition("\n")[0][:_LINE_CHARS] not in traceback:
        yield f"{error.type}: {error.message}"
    if error.hint and error.hint not in error.traceback:
        yield f"Hint: {error.hint}"


def _notes(result: Result, *, is_kept: bool) -> Iterable[str]:
    """What a model would not know otherwise."""
    if result.truncated:
        yield "[The output was over its limit: what is missing was not kept.]"
    if result.limit is Limit.TIMEOUT:
        yield f"[The code was stopped at its time limit, after {result.wall_s:.1f} s: the argument timeout sets another.]"
    if result.kernel_replaced and is_kept:
        yield "[The session has a new kernel: variables and files are gone.]"
    if result.files:
        names = f"{', '.join(map(_file, result.files))}{', and more' if result.are_files_cut else ''}"
        yield f"[Files: {names}]" if is_kept else f"[Without a session these files were not kept: {names}]"


def _file(change: FileChange) -> str:
    name = change.path.decode("utf-8", "replace")
    return f"{name} ({change.change}, {change.size} bytes)" if change.change != "deleted" else f"{name} (deleted)"


def shortened(text: str, limit_bytes: int) -> str:
    """*text* in at most *limit_bytes* of UTF-8 and a line: its head, how many bytes are left out, and its tail."""
    size = text_bytes(text)
    if size <= limit_bytes:
        return text
    data = text.encode("utf-8", "surrogatepass")
    tail_bytes = limit_bytes // _TAIL_SHARE
    head = data[: limit_bytes - tail_bytes].decode("utf-8", "ignore")
    tail = data[size - tail_bytes :].decode("utf-8", "ignore")
    left_out = size - text_bytes(head) - text_bytes(tail)
    return f"{head}\n[{left_out} bytes left out]\n{tail}"


def without_fence(code: str) -> str:
    """*code* without the Markdown fence around it, which models add."""
    lines = code.strip().split("\n")
    fence = _FENCE.match(lines[0].rstrip("\r"))
    is_fenced = fence is not None and len(lines) > 1 and lines[-1].strip() == fence[1]
    return "\n".join(lines[1:-1]) if is_fenced else code

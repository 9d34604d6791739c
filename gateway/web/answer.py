"""Results as the JSON the API promises; nothing a kernel reported can make the encoding fail. Pure.

Numbers: NaN and infinities become null. Whole numbers beyond 2**53 - 1 become decimal text, because JSON readers that use
doubles would read another number without notice (RFC 7493 section 2.2). Lone surrogates become U+FFFD.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Generator, Mapping

import orjson

from gateway.core.charts import chart_type, is_chart
from gateway.core.files import FileChange
from gateway.core.model import Display, Json, Raised, Result, Task
from gateway.core.request import RunRequest
from gateway.core.strict import SAFE_INT, STEP_BYTES, clean_text
from gateway.web.file_names import text_of, url_path

DEPTH = 100
LEVELS, MOST_SHOWN = 4, 64
"""How deep in an answer long texts are (results, one of them, its data, a MIME type), and in lists of what length
they are looked for: in longer ones each is short beside the whole."""
_SPACES_TEXT = " \t\n\r\v\f\x1c\x1d\x1e\x1f"
_SPACES = _SPACES_TEXT.encode()
_TOO_DEEP = "… (nested too deep)"


def dump(value: object, options: int = orjson.OPT_STRICT_INTEGER) -> bytes:
    """*value* as strict JSON in UTF-8, whatever it holds."""
    try:
        return orjson.dumps(value, option=options)
    except TypeError:
        # Only answers with something JSON has no form for pay for the walk.
        return orjson.dumps(clean(value), option=options)


def document(value: object) -> bytes:
    """The same as a body of its own; its last line ends, so that a terminal's prompt is not on it."""
    return dump(value, orjson.OPT_STRICT_INTEGER | orjson.OPT_APPEND_NEWLINE)


def documenting(value: object) -> Generator[None, None, bytes]:
    """What document() answers, in steps where there are long texts: others are served between."""
    parts = value.values() if isinstance(value, dict) else ()
    if any(part for part in parts if isinstance(part, list) or (isinstance(part, str) and len(part) > STEP_BYTES)):
        value = yield from _long_texts_dumped(value, LEVELS)
    return document(value)


def _long_texts_dumped(value: object, levels: int) -> Generator[None, None, object]:
    """*value*, in it each long text as its JSON; looked for only where answers have them."""
    if isinstance(value, str) and len(value) > STEP_BYTES:
        dumped = dump(value)
        yield
        return orjson.Fragment(dumped)
    if levels and isinstance(value, dict):
        parts: dict[str, object] = {}
        for name, part in value.items():
            parts[name] = yield from _long_texts_dumped(part, levels - 1)
        return parts
    if levels and isinstance(value, list) and len(value) <= MOST_SHOWN:
        items: list[object] = []
        for item in value:
            items.append((yield from _long_texts_dumped(item, levels - 1)))
        return items
    return value


def clean(value: object, depth: int = DEPTH) -> Json:
    """*value* with everything strict JSON can't carry replaced; see the module's first lines for by what."""
    match value:
        case None | bool():
            return value
        case str():
            return clean_text(value)
        case int():
            return int(value) if -SAFE_INT <= value <= SAFE_INT else _digits(value)
        case float():
            return float(value) if math.isfinite(value) else None
        case orjson.Fragment():
            return value  # type: ignore[return-value]  # JSON already
        case _ if depth <= 0:
            return _TOO_DEEP
        case Mapping():
            return {clean_text(str(key)): clean(item, depth - 1) for key, item in value.items()}
        case list() | tuple():
            return [clean(item, depth - 1) for item in value]
        case _:
            return f"({type(value).__name__})"


def _digits(value: int) -> str:
    """*value* in decimal; beyond what Python converts by default (4300 digits) in hexadecimal, which is never slow."""
    try:
        return str(value)
    except ValueError:
        return hex(value)


def describe_run(task: Task, result: Result) -> dict[str, Json]:
    """A run's answer: the seed guide's fields, and beside them what it left out."""
    charts: list[Json] = [describe_chart(display) for display in result.displays if is_chart(display)]
    answer: dict[str, Json] = {
        "success": result.success,
        "output": result.output,
        "error": describe_raised(result.error) if result.error else None,
        "variables": dict(result.variables),
        "executionTime": round(result.wall_s * 1000),
        "exitCode": result.exit_code,
        "stdout": result.stdout,
        "stderr": result.stderr,
        "results": [{"type": shown.kind, "data": dict(shown.data)} for shown in result.displays],
        "charts": charts,
        "truncated": result.truncated,
        "limits": [str(result.limit)] if result.limit else [],
        "usage": {
            "cpuTime": round(result.cpu_s * 1000),
            "wallTime": round(result.wall_s * 1000),
            "peakMemory": result.peak_bytes,
        },
        "kernelReplaced": result.kernel_replaced,
        "files": [_file(change) for change in result.files],
        "filesTruncated": result.are_files_cut,
    }
    if task == "javascript":
        answer["returnValue"] = result.return_value
    if task == "chart":
        answer["chart"] = charts[0] if charts else None
    return answer


def _file(change: FileChange) -> Json:
    """What a run did to a file, as the session itself says; named as in the list of files."""
    return {
        "path": text_of(change.path),
        "urlPath": url_path(change.path),
        "change": change.change,
        "size": change.size if change.change != "deleted" else None,
    }


def describe_answer(request: RunRequest, result: Result) -> dict[str, Json]:
    """The answer to *request*: a run's, and in a session also which one and the number of the run in it."""
    answer = describe_run(request.task, result)
    if request.session:
        answer |= {"sessionId": request.session, "executionCount": result.execution_count}
    return answer


def describe_raised(raised: Raised) -> dict[str, Json]:
    """What user code raised, as the guide shows it."""
    return {"type": raised.type, "message": raised.message, "traceback": raised.traceback or None}


def describe_failure(kind: str, message: str, code: str) -> dict[str, Json]:
    """A request that was not carried out: the same error shape with a stable code."""
    return {
        "success": False,
        "error": {"type": kind, "message": message, "code": code, "traceback": None},
    }


def describe_chart(display: Display) -> dict[str, Json]:
    """The best picture of *display* as base64, ready for a data URI; SVG also as text."""
    kind = chart_type(display)
    text = str(display.data[kind]) if kind else ""
    if kind == "image/svg+xml":
        encoded = base64.b64encode(clean_text(text).encode()).decode()
        return {"base64": encoded, "mimeType": kind, "svg": text}
    return {"base64": _joined(text), "mimeType": kind}


def _joined(text: str) -> str:
    """*text* without white space: IPython ends base64 with a newline and may wrap it, data URIs want neither."""
    if not text.isascii():
        return "".join(text.split())
    if not any(map(text.__contains__, _SPACES_TEXT)):
        return text
    return text.encode("ascii").translate(None, _SPACES).decode("ascii")

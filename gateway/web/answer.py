"""Results as the JSON the API promises; nothing a kernel reported can make the encoding fail. Pure.

Numbers: NaN and infinities become null. Whole numbers beyond 2**53 - 1 become decimal text, because JSON readers that use
doubles would read another number without notice (RFC 7493 section 2.2). Lone surrogates become U+FFFD.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping

import orjson

from gateway.core.charts import chart_type, is_chart
from gateway.core.files import FileChange
from gateway.core.model import Display, Json, Raised, Result, Task
from gateway.core.request import RunRequest
from gateway.core.strict import clean_text
from gateway.web.file_names import text_of, url_path

SAFE_INT = 2**53 - 1
DEPTH = 100
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
    # IPython ends base64 with a newline and may wrap it; data URIs want neither.
    return {"base64": "".join(text.split()), "mimeType": kind}

"""Results as the JSON of the API, whatever a kernel reported. Pure."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from gateway.core import chart_data
from gateway.core.charts import chart_type, is_chart, without_chart_data
from gateway.core.files import FileChange
from gateway.core.model import Display, Json, Raised, Result, Task
from gateway.core.request import RunRequest
from gateway.core.strict_json import clean_text
from gateway.web.api.file_names import text_of, url_path

_SPACES_TEXT = " \t\n\r\v\f\x1c\x1d\x1e\x1f"
_SPACES = _SPACES_TEXT.encode()


def describe_run(task: Task, result: Result) -> dict[str, Json]:
    """The answer to a run."""
    charts: list[Json] = [describe_chart(display) for display in result.displays if is_chart(display)]
    text = result.shown or result
    answer: dict[str, Json] = {
        "success": result.success,
        "output": text.output,
        "error": describe_raised(result.error) if result.error else None,
        "variables": dict(result.variables),
        "executionTime": round(result.wall_s * 1000),
        "exitCode": result.exit_code,
        "stdout": text.stdout,
        "stderr": text.stderr,
        "results": [_result(shown) for shown in result.displays],
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


def _result(shown: Display) -> Json:
    """A rich value; what is told about it only where there is something."""
    told: dict[str, Json] = {"metadata": dict(shown.metadata)} if shown.metadata else {}
    return {"type": shown.kind, "data": dict(without_chart_data(shown.data)), **told}


def _file(change: FileChange) -> Json:
    """A file that a run created, changed or deleted, as the kernel reports it; named as in the list of files."""
    return {
        "path": text_of(change.path),
        "urlPath": url_path(change.path),
        "change": change.change,
        "size": change.size if change.change != "deleted" else None,
    }


def describe_answer(request: RunRequest, result: Result) -> dict[str, Json]:
    """The answer to *request*. In a session it also has the session's id and the number of the run."""
    answer = describe_run(request.task, result)
    if request.session:
        answer |= {"sessionId": request.session, "executionCount": result.execution_count}
    return answer


def iso_utc(seconds_utc: float) -> str:
    """A time as the API shows it: ISO 8601 in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds_utc, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def describe_raised(raised: Raised) -> dict[str, Json]:
    """The exception that user code raised; with a hint where one is known."""
    hint: dict[str, Json] = {"hint": raised.hint} if raised.hint else {}
    return {"type": raised.type, "message": raised.message, "traceback": raised.traceback or None, **hint}


def describe_chart(display: Display) -> dict[str, Json]:
    """The best picture of *display* as base64, ready for a data URI; SVG also as text. Beside it what it shows as data."""
    kind = chart_type(display)
    text = str(display.data[kind]) if kind else ""
    data = chart_data.read(display.data.get(chart_data.MIME))
    told: dict[str, Json] = {"chartData": data.chart, **({"chartDataTruncated": True} if data.is_left_out else {})}
    if kind == "image/svg+xml":
        encoded = base64.b64encode(clean_text(text).encode()).decode()
        return {"base64": encoded, "mimeType": kind, "svg": text, **told}
    return {"base64": _joined(text), "mimeType": kind, **told}


def _joined(text: str) -> str:
    """*text* without white space: IPython ends base64 with a newline and may wrap it, and data URIs allow neither."""
    if not text.isascii():
        return "".join(text.split())
    if not any(map(text.__contains__, _SPACES_TEXT)):
        return text
    return text.encode("ascii").translate(None, _SPACES).decode("ascii")

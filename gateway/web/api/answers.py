"""Results as the JSON of the API, whatever a kernel reported. Pure."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime

from gateway.core import chart_data
from gateway.core.charts import SVG, base64_of, chart_type, number, without_picture
from gateway.core.model import Display, Json, Raised, Result, ShownText, Task
from gateway.core.request import Include, RunRequest
from gateway.core.run_files import LOST
from gateway.web.api import file_answers

_NOTHING: frozenset[Include] = frozenset()
NO_VALUE = "the code returned and printed nothing: it is the body of a function, so a value needs return, or console.log"


def describe_run(task: Task, result: Result, include: AbstractSet[Include] = _NOTHING) -> dict[str, Json]:
    """The answer to a run. It has all content once, save ``chart``, and save what *include* names."""
    shown = number(result.displays)
    charts: list[Json] = [describe_chart(display, include) for display in shown.pictures]
    text = result.shown or result
    answer: dict[str, Json] = {
        "success": result.success,
        "output": text.output,
        "error": describe_raised(result.error) if result.error else None,
        "variables": dict(result.variables),
        "executionTime": round(result.wall_s * 1000),
        "exitCode": result.exit_code,
        **_streams(text, include),
        "results": [_result(*one) for one in zip(result.displays, shown.numbers, strict=True)],
        "charts": charts,
        "truncated": result.truncated,
        "limits": [str(result.limit)] if result.limit else [],
        "usage": {
            "cpuTime": round(result.cpu_s * 1000),
            "wallTime": round(result.wall_s * 1000),
            "peakMemory": result.peak_bytes,
        },
        "kernelReplaced": result.kernel_replaced,
        "files": [file_answers.describe_change(change) for change in result.files],
        "filesTruncated": result.are_files_cut,
    }
    if task == "javascript":
        answer["returnValue"] = result.return_value
    if task == "chart":
        answer["chart"] = charts[0] if charts else None
    return answer


def _streams(result: Result | ShownText, include: AbstractSet[Include]) -> dict[str, Json]:
    """Each stream alone: the output does not tell them apart if both were written."""
    is_told = "streams" in include or (result.stdout and result.stderr)
    return {"stdout": result.stdout, "stderr": result.stderr} if is_told else {}


def _result(shown: Display, picture: int | None) -> Json:
    """A rich value; what is told about it only where there is something. Its picture is told by its number in ``charts``."""
    told: dict[str, Json] = {"metadata": dict(shown.metadata)} if shown.metadata else {}
    if picture is not None:
        told["chart"] = picture
    return {"type": shown.kind, "data": without_picture(shown), **told}


def describe_answer(request: RunRequest, result: Result) -> dict[str, Json]:
    """The answer to *request*. In a session it also has the session's id and the number of the run."""
    answer = describe_run(request.task, result, request.include)
    if request.given.globs:
        answer["fetched"] = file_answers.describe_fetched(result.fetched or LOST)
    if request.session:
        return answer | {"sessionId": request.session, "executionCount": result.execution_count}
    # Without a session they are gone by now.
    note = file_answers.note_lost(result.files, result.fetched or LOST, is_cut=result.are_files_cut)
    told: dict[str, Json] = {"note": note} if note else {}
    hint: dict[str, Json] = {"hint": NO_VALUE} if result.gave_nothing else {}
    return answer | {"files": [], "filesTruncated": False} | told | hint


def iso_utc(seconds_utc: float) -> str:
    """A time as the API shows it: ISO 8601 in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds_utc, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def describe_raised(raised: Raised) -> dict[str, Json]:
    """The exception that user code raised; with a hint where one is known."""
    hint: dict[str, Json] = {"hint": raised.hint} if raised.hint else {}
    return {"type": raised.type, "message": raised.message, "traceback": raised.traceback or None, **hint}


def describe_chart(display: Display, include: AbstractSet[Include] = _NOTHING) -> dict[str, Json]:
    """The best picture of *display* as base64, ready for a data URI; SVG also as text if *include* names it.

    Beside it stands what it shows as data.
    """
    kind = chart_type(display)
    data = chart_data.read(display.data.get(chart_data.MIME))
    told: dict[str, Json] = {"chartData": data.chart, **({"chartDataTruncated": True} if data.is_left_out else {})}
    also: dict[str, Json] = {"svg": display.data[kind]} if kind == SVG and "svg" in include else {}
    return {"base64": base64_of(display), "mimeType": kind, **also, **told}

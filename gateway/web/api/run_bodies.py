"""Request bodies as typed runs: the models that the API documents, and errors that name field, value and allowed values."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.core.errors import BadRequest
from gateway.core.host_tools import read_tools
from gateway.core.json_limits import REQUEST_DEPTH
from gateway.core.limits import Timeouts
from gateway.core.model import Json, Task
from gateway.core.request import Include, RunRequest, checked_source
from gateway.web.api import given, patterns
from gateway.web.api.given import Env, FetchFiles, Files, Stdin, Uploads, first_flaw
from gateway.web.api.host_fields import Tools
from gateway.web.edge.body import name_of, parse_object
from kernels.run_rules import DEFAULT_DPI, MAX_DPI, MIN_DPI

SHOWN_CHARS = 40


class Body(BaseModel):
    """The base of all request bodies: JSON types are not converted, and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    is_for_javascript: ClassVar[bool] = False


def whole(value: object) -> object:
    """*value*, but an int for a float without a fraction: JSON has one type of number, and 180.0 is 180."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# A field's description completes the sentence "<field> must be ...". /openapi.json shows it, with the pattern of what the
# functions below check.
Code = Annotated[
    str, Field(description="source code that is not empty", min_length=1, json_schema_extra={"pattern": patterns.SOURCE})
]
Timeout = Annotated[
    Annotated[float, Field(ge=1)] | None,
    Field(description="a number of milliseconds from 1 to the server's maximum"),
]
SessionId = Annotated[
    Annotated[str, Field(min_length=1, max_length=64)] | None,
    Field(description="the id of one of this key's sessions"),
]
TextOption = Annotated[
    Literal["raw", "terminal"],
    Field(
        description="'raw' or 'terminal'",
        json_schema_extra={
            "description": "raw: text as it was written. terminal: what a terminal shows of it in the end, after carriage "
            "returns, backspaces, erased lines and clear_output()."
        },
    ),
]
IncludeList = Annotated[
    Annotated[list[Include], Field(fail_fast=True)],
    Field(default_factory=list, description="a list with 'streams', 'svg', both or neither"),
]


class GivenBody(Body):
    """The base of bodies with code that can use files, input and environment."""

    code: Code
    timeout: Timeout = None
    files: Files
    fetchFiles: FetchFiles  # noqa: N815  # the API's own name
    stdin: Stdin = None
    env: Env


class PythonBody(GivenBody):
    """Python to run in a fresh kernel."""

    session: SessionId = None
    text: TextOption = "raw"
    include: IncludeList
    tools: Tools


class JavascriptBody(Body):
    """JavaScript to run in a fresh kernel."""

    is_for_javascript = True
    code: Code
    timeout: Timeout = None
    session: SessionId = None
    text: TextOption = "raw"
    include: IncludeList
    tools: Tools


class ChartBody(GivenBody):
    """Plotting code; ``plt``, ``np``, ``pd`` and ``sns`` are imported already."""

    format: Annotated[Literal["png", "svg"], Field(description="'png' or 'svg'")] = "png"
    dpi: Annotated[
        int,
        Field(description=f"a whole number from {MIN_DPI} to {MAX_DPI}", ge=MIN_DPI, le=MAX_DPI),
        BeforeValidator(whole),
    ] = DEFAULT_DPI
    session: SessionId = None
    text: TextOption = "raw"
    include: IncludeList


class AnalyzeBody(Body):
    """Data to analyze, and the kind of analysis."""

    data: Annotated[
        Annotated[list[dict[str, Any]], Field(fail_fast=True)] | Annotated[dict[str, list[Any]], first_flaw(list)] | str,
        Field(description="an array of objects (records), an object of arrays (columns), or a string (CSV)"),
    ]
    analysisType: Annotated[  # noqa: N815  # the API's own name
        Literal["summary", "correlation", "stats"], Field(description="'summary', 'correlation' or 'stats'")
    ] = "summary"
    timeout: Timeout = None
    session: SessionId = None
    include: IncludeList


class MathBody(Body):
    """One expression; ``math``, ``np`` and ``statistics`` are imported already."""

    expression: Annotated[
        str,
        Field(
            description="one expression of 1 to 10000 characters",
            min_length=1,
            max_length=10_000,
            json_schema_extra={"pattern": patterns.SOURCE},
        ),
    ]
    timeout: Timeout = None
    session: SessionId = None
    include: IncludeList


RunBody = PythonBody | JavascriptBody | ChartBody | AnalyzeBody | MathBody


class InstallBody(Body):
    """A package of the whitelist."""

    package: Annotated[
        str,
        Field(
            description="a package name of 1 to 100 characters",
            min_length=1,
            max_length=100,
            json_schema_extra={"pattern": patterns.PACKAGE},
        ),
    ]


B = TypeVar("B", bound=Body)


def read(kind: type[B], body: bytes, max_depth: int = REQUEST_DEPTH) -> B:
    """*body* as a *kind*; raises BadRequest, whose sentence says what to change."""
    return check(kind, parse_object(body, max_depth))


def check(kind: type[B], value: dict[str, Json]) -> B:
    """*value* as a *kind*; raises BadRequest as `read` does."""
    if kind.is_for_javascript:
        given.check_task("javascript", value.keys())
    if len(value) > len(kind.model_fields):  # pydantic would list all of them, and there may be a million
        name = next(name for name in value if name not in kind.model_fields)
        raise BadRequest(_sentence(kind, "extra_forbidden", (name,), value[name]))
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        flaw = error.errors(include_url=False, include_context=False)[0]
        raise BadRequest(_sentence(kind, flaw["type"], flaw["loc"], flaw["input"])) from None


def parse_python(body: bytes, timeouts: Timeouts, uploads: Uploads = ()) -> RunRequest:
    """The Python run in *body*."""
    asked = read(PythonBody, body)
    request = _request("python", checked_source("code", asked.code), asked, timeouts)
    return replace(request, given=given.read_given(asked, uploads), tools=read_tools(asked.tools))


def parse_javascript(body: bytes, timeouts: Timeouts) -> RunRequest:
    """The JavaScript run in *body*."""
    asked = read(JavascriptBody, body)
    request = _request("javascript", checked_source("code", asked.code), asked, timeouts)
    return replace(request, tools=read_tools(asked.tools))


def parse_chart(body: bytes, timeouts: Timeouts, uploads: Uploads = ()) -> RunRequest:
    """The chart run in *body*."""
    asked = read(ChartBody, body)
    inputs: dict[str, Json] = {"format": asked.format, "dpi": asked.dpi}
    request = _request("chart", checked_source("code", asked.code), asked, timeouts, inputs)
    return replace(request, given=given.read_given(asked, uploads))


def parse_analyze(body: bytes, timeouts: Timeouts) -> RunRequest:
    """The analysis in *body*. Its data is never turned into code."""
    asked = read(AnalyzeBody, body)
    shape, size = _shape(asked.data)
    data: Any = asked.data
    inputs: dict[str, Json] = {"analysisType": asked.analysisType, "format": shape, "data": data}
    return _request("analyze", "", asked, timeouts, inputs, f"{asked.analysisType} of {size}")


def parse_math(body: bytes, timeouts: Timeouts) -> RunRequest:
    """The expression in *body*."""
    asked = read(MathBody, body)
    return _request("math", checked_source("expression", asked.expression), asked, timeouts)


def parse_install(body: bytes) -> str:
    """The package name in *body*, as written."""
    return read(InstallBody, body).package


def parse_limit(values: list[str], default: int, maximum: int) -> int:
    """The ``limit`` of a query string: a whole number from 1 to *maximum*."""
    if not values:
        return default
    text = values[-1]
    # int() also accepts signs, underscores and digits of other scripts.
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= maximum):
        raise BadRequest(f"limit must be a whole number from 1 to {maximum}, not {show(text)}.")
    return int(text)


def parse_seconds(name: str, value_ms: float, timeouts: Timeouts) -> float:
    """*value_ms*, the field *name*, in seconds; raises BadRequest when it is out of range."""
    if not 1 <= value_ms <= timeouts.max_s * 1000:
        raise BadRequest(
            f"{name} must be a number of milliseconds from 1 to {timeouts.max_s * 1000:.0f}, not {show(value_ms)}."
        )
    return value_ms / 1000


def _request(
    task: Task, code: str, asked: RunBody, timeouts: Timeouts, inputs: dict[str, Json] | None = None, title: str = ""
) -> RunRequest:
    """The run of *task*, with the fields that all bodies share."""
    timeout_s = _seconds(asked.timeout, timeouts, asked.session)
    text = "raw" if isinstance(asked, AnalyzeBody | MathBody) else asked.text
    include = frozenset(asked.include)
    return RunRequest(task, code, timeout_s, inputs or {}, title, session=asked.session or "", text=text, include=include)


def _seconds(timeout_ms: float | None, timeouts: Timeouts, session: str | None) -> float:
    """The timeout of the body, or the default. 0 in a session, which has a default of its own."""
    if timeout_ms is None:
        return 0.0 if session else timeouts.default_s
    return parse_seconds("timeout", timeout_ms, timeouts)


def _shape(data: list[dict[str, Any]] | dict[str, list[Any]] | str) -> tuple[str, str]:
    """The format of *data*, and its size in words for the history."""
    match data:
        case str():
            return "csv", f"CSV text of {len(data)} characters"
        case list():
            return "records", f"{len(data)} records"
        case dict():
            lengths = {name: len(column) for name, column in data.items()}
            if len(set(lengths.values())) > 1:
                (first, one), (second, other) = min(lengths.items(), key=_length), max(lengths.items(), key=_length)
                raise BadRequest(
                    f"data has columns of different lengths: {show(first)} has {one} values, {show(second)} has {other}."
                )
            return "columns", f"{len(data)} columns"


def _length(item: tuple[str, int]) -> int:
    return item[1]


def _sentence(kind: type[Body], flaw: str, place: tuple[int | str, ...], value: Any) -> str:
    allowed = ", ".join(kind.model_fields)
    name = str(place[0]) if place else "body"
    if flaw == "extra_forbidden":
        return f"Unknown field {show(name)}; allowed are: {allowed}."
    rule = kind.model_fields[name].description
    if flaw == "missing" and len(place) == 1:
        return f"{name} is missing; it must be {rule}."
    where = "".join(f"[{part!r}]"[:SHOWN_CHARS] for part in place[1:] if _is_inside(part))
    return f"{name} must be {rule}, not {show(value)}{f' at {name}{where}' if where else ''}."


def _is_inside(part: int | str) -> bool:
    """Whether *part* of pydantic's path is an index of the data. Other parts may name a branch of a union."""
    return isinstance(part, int)


def show(value: Any) -> str:
    """*value* as the client wrote it, shortened; the type of a list or an object."""
    if isinstance(value, (dict, list)):
        return name_of(value) if value else f"an empty {'object' if isinstance(value, dict) else 'list'}"
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN_CHARS else value[:SHOWN_CHARS] + "…")
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    # Timeouts are read as floats. Whole ones are shown without a fraction, as clients send them.
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e16
    return str(int(value) if is_whole else value)[:SHOWN_CHARS]

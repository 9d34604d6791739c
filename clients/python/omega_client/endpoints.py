"""The gateway's endpoints as requests. Pure."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Literal, TypedDict, get_args
from urllib.parse import quote, urlencode

from omega_client import wire

API = "/code-interpreter"
DEFAULT_URL = "http://127.0.0.1:8080"
SSE = "text/event-stream"
Language = Literal["python", "javascript"]


class RunOptions(TypedDict, total=False):
    """What every run takes beside its code: see docs/runs.md."""

    timeout_s: float
    files: Mapping[str, str | bytes]
    fetch_files: Sequence[str]
    stdin: str
    env: Mapping[str, str]
    text: Literal["terminal"]
    include: Sequence[Literal["streams", "svg"]]
    session: str


NAMES = {"fetch_files": "fetchFiles"}


def base_of(url: str) -> str:
    """*url* or OMEGA_URL or the default, without the part that every endpoint has."""
    return (url or os.environ.get("OMEGA_URL") or DEFAULT_URL).rstrip("/").removesuffix(API)


def token_of(token: str) -> str:
    """*token* or OMEGA_TOKEN. Raises ValueError if there is none."""
    found = token or os.environ.get("OMEGA_TOKEN", "")
    if not found:
        raise ValueError("There is no token: give one, or set OMEGA_TOKEN")
    return found


def encoded(options: Mapping[str, Any]) -> dict[str, Any]:
    """*options* as fields of a body. TypeError for one that does not exist."""
    fields: dict[str, Any] = {}
    for name, value in options.items():
        if name not in RunOptions.__annotations__:
            raise TypeError(f"There is no option {name!r}; they are {', '.join(RunOptions.__annotations__)}")
        if name == "timeout_s":
            fields["timeout"] = milliseconds(name, value)
        elif name == "files":
            fields["files"] = {path: encoded_file(data) for path, data in value.items()}
        else:
            fields[NAMES.get(name, name)] = value
    return fields


def milliseconds(name: str, seconds: Any) -> int:
    """*seconds*, the argument *name*, as the gateway takes them. Raises TypeError and ValueError."""
    if isinstance(seconds, bool) or not isinstance(seconds, Real):
        raise TypeError(f"{name} must be a number of seconds, not {type(seconds).__name__}")
    asked = float(seconds) * 1000
    if not (math.isfinite(asked) and round(asked) >= 1):
        raise ValueError(f"{name} must be a number of seconds above 0, not {seconds}")
    return round(asked)


def language_of(language: str) -> str:
    """*language*, if kernels speak it. Raises ValueError."""
    known = get_args(Language)
    if language not in known:
        raise ValueError(f"There is no language {language!r}: the languages are {', '.join(known)}")
    return language


def encoded_file(data: str | bytes) -> Any:
    """A file's content: text as it is."""
    return data if isinstance(data, str) else {"base64": base64.b64encode(data).decode()}


def run(language: str, code: str, options: Mapping[str, Any], **more: Any) -> wire.Request:
    """A run in a kernel of its own, unless the options name a session."""
    return _run(language_of(language), code, options, **more)


def _run(endpoint: str, code: str, options: Mapping[str, Any], **more: Any) -> wire.Request:
    return wire.post(f"{API}/{endpoint}", {"code": code, **encoded(options), **more}, options.get("timeout_s", 0.0))


def chart(code: str, options: Mapping[str, Any], form: str, dpi: int | None) -> wire.Request:
    """A run that draws."""
    return _run("chart", code, options, format=form, **({} if dpi is None else {"dpi": dpi}))


def streamed(request: wire.Request) -> wire.Request:
    """*request*, to be answered with events."""
    return replace(request, headers={**request.headers, "Accept": SSE})


def results_path(run_id: str) -> str:
    """Where the results of a streamed run's calls go."""
    return f"{API}/runs/{quote(run_id, safe='')}/tool-results"


@dataclass(frozen=True)
class SessionPaths:
    """The endpoints of one session. *work_s* is the time that its runs have unless they ask for another."""

    id: str
    work_s: float = 0.0

    def path(self, rest: str = "") -> str:
        """An address below the session's."""
        return f"{API}/sessions/{quote(self.id, safe='')}{rest}"

    def execute(self, code: str, options: Mapping[str, Any], **more: Any) -> wire.Request:
        """A run in it."""
        work_s = options.get("timeout_s", self.work_s)
        return wire.post(self.path("/execute"), {"code": code, **encoded(options), **more}, work_s)

    def events(self, after: int | None) -> wire.Request:
        """The events of all its runs."""
        return streamed(wire.get(self.path("/events") + ("" if after is None else f"?after={after}")))

    def variable(self, name: str, query: Mapping[str, Any]) -> wire.Request:
        """A part of a table."""
        asked = {key: value for key, value in query.items() if value is not None}
        return wire.get(self.path(f"/variables/{quote(name, safe='')}" + (f"?{urlencode(asked)}" if asked else "")))

    def file(self, method: str, path: str, body: bytes | None = None, query: str = "") -> wire.Request:
        """One of its files, by its path as it stands in an address."""
        headers = {} if body is None else {"Content-Type": "application/octet-stream"}
        return wire.Request(method, self.path(f"/files/{path}{query}"), body, headers, is_repeatable=method == "GET")


def create_session(language: str, fields: Mapping[str, Any]) -> wire.Request:
    """A new session."""
    body = {"language": language_of(language), **{name: value for name, value in fields.items() if value is not None}}
    for asked, name in (("timeout_s", "timeout"), ("idle_timeout_s", "idleTimeout")):
        if asked in body:
            body[name] = milliseconds(asked, body.pop(asked))
    return wire.post(f"{API}/sessions", body)


@dataclass(frozen=True)
class FileEntry:
    """What is in a work directory. *url_path* is exact for every name, *path* is for people.

    A directory has no *size* of its own: it is None.
    """

    path: str
    url_path: str
    type: str
    size: int | None
    modified: str
    sha256: str | None


def read_files(answer: Mapping[str, Any]) -> list[FileEntry]:
    """The entries of a list."""
    return [
        FileEntry(
            entry["path"],
            entry["urlPath"],
            entry["type"],
            entry.get("size"),
            entry.get("modified") or "",
            entry.get("sha256"),
        )
        for entry in answer["files"]
    ]


def path_in_url(path: str | FileEntry) -> str:
    """How an address names a file."""
    return path.url_path if isinstance(path, FileEntry) else quote(path, safe="/")


def tools_list(form: str, names: Sequence[str] | None) -> wire.Request:
    """The definitions of the gateway's tools."""
    query = {"format": form, **({} if names is None else {"names": ",".join(names)})}
    return wire.get(f"{API}/tools?{urlencode(query)}")


def tool_call(name: str, arguments: Mapping[str, Any], work_s: float = 0.0) -> wire.Request:
    """A call of one."""
    return wire.post(f"{API}/tools/{quote(name, safe='')}", dict(arguments), work_s)

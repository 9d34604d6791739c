"""The bodies of requests about sessions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from gateway.core.errors import BadRequest
from gateway.core.host_tools import read_tools
from gateway.core.limits import Timeouts
from gateway.core.model import Json
from gateway.core.request import RunRequest, checked_source
from gateway.service.sessions.session import NewSession
from gateway.web.api import patterns
from gateway.web.api.given import Env, Uploads, check_env, check_task, read_given
from gateway.web.api.host_fields import Tools
from gateway.web.api.run_bodies import Body, GivenBody, IncludeList, TextOption, Timeout, parse_seconds, read
from kernels.contract import Language
from kernels.run_rules import DEFAULT_DPI

CHART_INPUTS: Mapping[str, Json] = {"format": "png", "dpi": DEFAULT_DPI}
_ONE_LINE = re.compile(patterns.ONE_LINE)
_DIRECTORY = re.compile(patterns.DIRECTORY)

Milliseconds = Annotated[
    Annotated[float, Field(ge=1)] | None,
    Field(description="a number of milliseconds from 1 to the server's maximum"),
]


class NewSessionBody(Body):
    """A session to create: a kernel that keeps its state from run to run."""

    language: Annotated[Literal["python", "javascript"], Field(description="'python' or 'javascript'")] = "python"
    name: Annotated[
        str,
        Field(
            description="a string of at most 128 characters",
            max_length=128,
            json_schema_extra={"pattern": patterns.ONE_LINE},
        ),
    ] = ""
    timeout: Timeout = None
    idleTimeout: Milliseconds = None  # noqa: N815  # the API's own name
    env: Env
    cwd: Annotated[
        str,
        Field(
            description="a directory below the work directory, at most 512 characters",
            max_length=512,
            json_schema_extra={"pattern": patterns.DIRECTORY},
        ),
    ] = ""


class ExecuteBody(GivenBody):
    """Code to run in a session."""

    type: Annotated[
        Literal["python", "javascript", "chart", "math"] | None,
        Field(description="'python', 'javascript', 'chart' or 'math'; it must fit the session's language"),
    ] = None
    text: TextOption = "raw"
    include: IncludeList
    tools: Tools


class NothingBody(Body):
    """A request whose address says everything."""


def parse_new_session(body: bytes, python: Timeouts, javascript: Timeouts, idle: Timeouts) -> NewSession:
    """The session that *body* asks for, with the timeouts of its language. An empty body asks for the defaults."""
    asked = read(NewSessionBody, body) if body.strip() else NewSessionBody.model_validate({})
    timeouts = javascript if asked.language == "javascript" else python
    _check_name(asked.name)
    check_env(asked.env)
    _check_cwd(asked.cwd)
    return NewSession(
        language=asked.language,
        name=asked.name,
        timeout_s=timeouts.default_s if asked.timeout is None else parse_seconds("timeout", asked.timeout, timeouts),
        idle_s=None if asked.idleTimeout is None else parse_seconds("idleTimeout", asked.idleTimeout, idle),
        env=asked.env,
        cwd=asked.cwd,
    )


def parse_execute(body: bytes, session_id: str, language: Language, timeouts: Timeouts, uploads: Uploads = ()) -> RunRequest:
    """The run in *body*, for a session of *language*."""
    asked = read(ExecuteBody, body)
    task = asked.type or language
    check_task(task, {*asked.model_fields_set, *(["files"] if uploads else [])})
    timeout_s = 0.0 if asked.timeout is None else parse_seconds("timeout", asked.timeout, timeouts)
    inputs = dict(CHART_INPUTS) if task == "chart" else {}
    if asked.tools and task == "math":
        raise BadRequest("tools is for code, not for a run of type 'math'.")
    request = RunRequest(task, checked_source("code", asked.code), timeout_s, inputs, session=session_id)
    request = replace(request, given=read_given(asked, uploads), tools=read_tools(asked.tools))
    return replace(request, text=asked.text, include=frozenset(asked.include))


def parse_nothing(body: bytes) -> None:
    """Accept no body or an empty object; raises BadRequest for anything else."""
    if body.strip():
        read(NothingBody, body)


def _check_name(name: str) -> None:
    if not _ONE_LINE.fullmatch(name):
        raise BadRequest("name must be a string without line breaks and other control characters.")


def _check_cwd(cwd: str) -> None:
    if not _ONE_LINE.fullmatch(cwd):
        raise BadRequest("cwd must be a path without control characters.")
    if ".." in cwd.split("/"):
        raise BadRequest("cwd must be a directory below the work directory: '..' is not allowed in it.")
    if cwd.startswith("/"):
        raise BadRequest("cwd must be relative to the work directory: leave out the leading slash.")
    if not _DIRECTORY.fullmatch(cwd):
        raise BadRequest("cwd has a part of more than 255 characters.")

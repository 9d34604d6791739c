"""The bodies of requests about sandboxes, their contexts and their commands."""

from __future__ import annotations

import re
import signal
from typing import Annotated, Final, Literal, get_args

from pydantic import Field, JsonValue

from gateway.core.errors import BadRequest
from gateway.core.limits import Timeouts
from gateway.core.request import checked_source
from gateway.service.sandboxes.command import NewCommand
from gateway.service.sandboxes.table import NewSandbox
from gateway.service.sessions.session import NewSession
from gateway.web.api import patterns
from gateway.web.api.given import SHOWN_CHARS, Env, check_env, first_flaw
from gateway.web.api.run_bodies import Body, Timeout, parse_seconds, read
from gateway.web.api.session_bodies import Cwd, LanguageName, Milliseconds, Name, check_cwd, check_name
from gateway.web.caller_limits import CallerLimits

METADATA_NAMES: Final = 64
METADATA_CHARS: Final = 16 * 1024
COMMAND_CHARS: Final = 65_536
MAX_ARGUMENTS: Final = 1024
STDIN_CHARS: Final = 1024 * 1024
PATH_CHARS: Final = 4096
_METADATA_NAME: Final = re.compile(patterns.METADATA_NAME)
_METADATA_SCHEMA: Final[dict[str, JsonValue]] = {
    "propertyNames": {"type": "string", "pattern": patterns.METADATA_NAME},
    "additionalProperties": {"type": "string", "pattern": patterns.NO_NUL},
}
SignalName = Literal[
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGWINCH"
]

Metadata = Annotated[
    dict[str, str],
    Field(
        default_factory=dict,
        description=f"an object of at most {METADATA_NAMES} strings",
        max_length=METADATA_NAMES,
        json_schema_extra=_METADATA_SCHEMA,
    ),
    first_flaw(str),
]
CommandLine = Annotated[
    Annotated[str, Field(min_length=1, max_length=COMMAND_CHARS, json_schema_extra={"pattern": patterns.SOURCE})]
    | Annotated[
        list[Annotated[str, Field(json_schema_extra={"pattern": patterns.NO_NUL})]],
        Field(min_length=1, max_length=MAX_ARGUMENTS, fail_fast=True),
    ],
    Field(description="a line for bash, or a list of a program and its arguments"),
]
Input = Annotated[str, Field(max_length=STDIN_CHARS, description=f"text of at most {STDIN_CHARS} characters")]


class NewSandboxBody(Body):
    """A sandbox to create: a place with files, which several kernels and commands share."""

    name: Name = ""
    metadata: Metadata
    env: Env
    lifetime: Milliseconds = None
    idleTimeout: Milliseconds = None  # noqa: N815  # the API's own name


class ExtensionBody(Body):
    """How long the sandbox is to live from now on; null: as long as there is activity."""

    lifetime: Milliseconds


class NewContextBody(Body):
    """A context to create: one more kernel in the sandbox."""

    language: LanguageName = "python"
    name: Name = ""
    timeout: Timeout = None
    env: Env
    cwd: Cwd = ""


class NewCommandBody(Body):
    """A command to run in the sandbox."""

    command: CommandLine
    env: Env
    cwd: Annotated[
        str,
        Field(
            description=f"a directory of the sandbox, at most {PATH_CHARS} characters",
            max_length=PATH_CHARS,
            json_schema_extra={"pattern": patterns.NO_NUL},
        ),
    ] = ""
    stdin: Input = ""
    stdinOpen: Annotated[  # noqa: N815  # the API's own name
        bool, Field(description="true if more input is to follow, else false")
    ] = False
    timeout: Timeout = None
    background: Annotated[bool, Field(description="true for an answer at once, false for one at the end")] = False


class StdinBody(Body):
    """Input for a command that runs."""

    text: Input = ""
    close: Annotated[bool, Field(description="true if no more input follows, else false")] = False


class SignalBody(Body):
    """A signal for a command that runs."""

    signal: Annotated[SignalName, Field(description=f"one of {', '.join(get_args(SignalName))}")] = "SIGTERM"


def parse_new_sandbox(body: bytes, limits: CallerLimits, times: Timeouts) -> NewSandbox:
    """The sandbox that *body* asks for; an empty body asks for the defaults."""
    asked = read(NewSandboxBody, body) if body.strip() else NewSandboxBody.model_validate({})
    check_name(asked.name)
    check_env(asked.env)
    _check_metadata(asked.metadata)
    return NewSandbox(
        asked.name,
        asked.metadata,
        asked.env,
        None if asked.lifetime is None else parse_seconds("lifetime", asked.lifetime, times),
        None if asked.idleTimeout is None else parse_seconds("idleTimeout", asked.idleTimeout, times),
        {"python": limits.python.default_s, "javascript": limits.javascript.default_s},
    )


def parse_extension(body: bytes, times: Timeouts) -> float | None:
    """How many seconds a sandbox is to live from now on; None: as long as there is activity."""
    asked = read(ExtensionBody, body)
    return None if asked.lifetime is None else parse_seconds("lifetime", asked.lifetime, times)


def parse_new_context(body: bytes, limits: CallerLimits) -> NewSession:
    """The context that *body* asks for; an empty body asks for one of Python."""
    asked = read(NewContextBody, body) if body.strip() else NewContextBody.model_validate({})
    timeouts = limits.javascript if asked.language == "javascript" else limits.python
    check_name(asked.name)
    check_env(asked.env)
    check_cwd(asked.cwd)
    timeout_s = timeouts.default_s if asked.timeout is None else parse_seconds("timeout", asked.timeout, timeouts)
    return NewSession(asked.language, asked.name, timeout_s=timeout_s, env=asked.env, cwd=asked.cwd)


def parse_new_command(body: bytes, timeouts: Timeouts) -> tuple[NewCommand, bool]:
    """The command that *body* asks for, and whether its caller does not wait for its end."""
    asked = read(NewCommandBody, body)
    check_env(asked.env)
    if "\0" in asked.cwd:
        raise BadRequest("cwd has a NUL character.")
    default_s = None if asked.background else timeouts.default_s
    timeout_s = default_s if asked.timeout is None else parse_seconds("timeout", asked.timeout, timeouts)
    argv = _argv(asked.command)
    shown = asked.command if isinstance(asked.command, str) else " ".join(asked.command)
    stdin = asked.stdin.encode()
    command = NewCommand(argv, shown[:SHOWN_COMMAND], asked.env, asked.cwd, timeout_s, stdin, keeps_stdin=asked.stdinOpen)
    return command, asked.background


def parse_stdin(body: bytes) -> tuple[bytes, bool]:
    """The bytes of input, and whether they are the last."""
    asked = read(StdinBody, body)
    return asked.text.encode(), asked.close


def parse_signal(body: bytes) -> int:
    """The number of the signal; an empty body asks for SIGTERM."""
    asked = read(SignalBody, body) if body.strip() else SignalBody.model_validate({})
    return int(signal.Signals[asked.signal])


SHOWN_COMMAND: Final = 1000
"""How many characters of a command are shown."""


def _argv(command: str | list[str]) -> tuple[str, ...]:
    """The program and its arguments; a line is bash's."""
    if isinstance(command, str):
        return ("bash", "-c", checked_source("command", command))
    if any("\0" in argument for argument in command):
        raise BadRequest("command has a NUL character in one of its arguments.")
    return tuple(command)


def _check_metadata(metadata: dict[str, str]) -> None:
    for name, value in metadata.items():
        if "\0" in value:
            raise BadRequest(f"metadata has a NUL character in the value of {name[:SHOWN_CHARS]!r}.")
        if not _METADATA_NAME.fullmatch(name):
            raise BadRequest(
                f"metadata has the name {name[:SHOWN_CHARS]!r}: use 1 to 128 characters, no control characters."
            )
    if sum(len(name) + len(value) for name, value in metadata.items()) > METADATA_CHARS:
        raise BadRequest(f"metadata is over the limit of {METADATA_CHARS} characters in all.")

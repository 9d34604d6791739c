"""What a body gives to its run beside the code: files, standard input and environment; and the files it asks back."""

from __future__ import annotations

import binascii
import re
from collections.abc import Container, Mapping, Sequence
from typing import Annotated, Any, Final, Protocol

from pydantic import BeforeValidator, Field, JsonValue

from gateway.core.errors import BadRequest, TooLarge
from gateway.core.files import Path, parse_path
from gateway.core.run_files import MAX_FILES, NOTHING_GIVEN, Given, check_together
from gateway.web.api import patterns

ENV_NAMES: Final = 64
ENV_CHARS: Final = 32 * 1024
MAX_GLOBS: Final = 32
MAX_BYTES: Final = 32 * 1024 * 1024
"""Of files and input together: the message to the kernel has room for so many in base64."""
NAMES: Final = ("files", "fetchFiles", "stdin", "env")
SHOWN_CHARS: Final = 40
Uploads = Sequence[tuple[Path, bytes]]
"""Files that came as parts of a form."""
_ENV_NAME: Final = re.compile(patterns.ENV_NAME)
_TASKS: Final = ("python", "chart")


def first_flaw(kind: type) -> BeforeValidator:
    """A validator for objects with values of *kind*. It stops at the first other value: pydantic would list them all."""

    def cut(value: object) -> object:
        if not isinstance(value, dict):
            return value
        return next(({name: item} for name, item in value.items() if not isinstance(item, kind)), value)

    return BeforeValidator(cut)


_FILES_SCHEMA: Final[dict[str, JsonValue]] = {
    "propertyNames": {"type": "string", "pattern": patterns.FILE},
    "additionalProperties": {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"base64": {"type": "string", "pattern": patterns.BASE64}},
                "required": ["base64"],
                "additionalProperties": False,
            },
        ]
    },
}
_ENV_SCHEMA: Final[dict[str, JsonValue]] = {
    "propertyNames": {"type": "string", "pattern": patterns.ENV_NAME},
    "additionalProperties": {"type": "string", "pattern": patterns.NO_NUL},
}
Files = Annotated[
    dict[str, Any],
    Field(
        default_factory=dict,
        description=f"an object of at most {MAX_FILES} files: a path below the work directory to text, or to "
        '{"base64": ...}',
        max_length=MAX_FILES,
        json_schema_extra=_FILES_SCHEMA,
    ),
]
FetchFiles = Annotated[
    list[Annotated[str, Field(json_schema_extra={"pattern": patterns.FILE})]],
    Field(
        default_factory=list,
        description=f"a list of at most {MAX_GLOBS} paths below the work directory, in which *, ? and ** may stand",
        max_length=MAX_GLOBS,
        fail_fast=True,
    ),
]
Stdin = Annotated[str | None, Field(description="text: the standard input of the run")]
Env = Annotated[
    dict[str, str],
    Field(
        default_factory=dict,
        description="an object of at most 64 strings: the environment variables to set",
        max_length=ENV_NAMES,
        json_schema_extra=_ENV_SCHEMA,
    ),
    first_flaw(str),
]


class GivenFields(Protocol):
    """The fields of a body that gives something to its run."""

    @property
    def files(self) -> dict[str, Any]: ...
    @property
    def fetchFiles(self) -> list[str]: ...  # noqa: N802  # the API's own name
    @property
    def stdin(self) -> str | None: ...
    @property
    def env(self) -> dict[str, str]: ...


def read_given(asked: GivenFields, uploads: Uploads = ()) -> Given:
    """What *asked* and *uploads* give to the run. Raises BadRequest, or TooLarge for too many bytes."""
    given = Given(read_files(asked.files, uploads), tuple(asked.fetchFiles), asked.stdin, asked.env)
    if given == NOTHING_GIVEN:
        return NOTHING_GIVEN
    for glob in given.globs:
        _check_path("fetchFiles", glob)
    check_env(given.env)
    _check_size(given)
    return given


def read_files(files: Mapping[str, object], uploads: Uploads = ()) -> tuple[tuple[Path, bytes], ...]:
    """The files of the field files, and *uploads*. Raises BadRequest, or TooLarge for too many bytes."""
    if not files and not uploads:
        return ()
    found = (*((_check_path("files", name), _contents(name, value)) for name, value in files.items()), *uploads)
    if len(found) > MAX_FILES:
        raise BadRequest(f"The run has more than {MAX_FILES} files.")
    check_together((path for path, _ in found), "The run")
    _check_size(Given(found))
    return found


def refuse(name: str, task: str) -> BadRequest:
    """The error for the field *name* in a run of *task*."""
    if task == "javascript":
        return BadRequest(
            f"{name} is not for JavaScript: its code has no files, no input and no environment. Put the data into the code."
        )
    return BadRequest(f"{name} is for Python code and charts, not for a run of type {task!r}.")


def check_task(task: str, names: Container[str]) -> None:
    """Raise BadRequest if one of *names*, the fields of a body, is not for runs of *task*."""
    if task not in _TASKS:
        for name in NAMES:
            if name in names:
                raise refuse(name, task)


def check_env(env: Mapping[str, str]) -> None:
    """Raise BadRequest unless *env* can be the environment of a process."""
    for name, value in env.items():
        if not _ENV_NAME.fullmatch(name):
            raise BadRequest(
                f"env has the name {name[:SHOWN_CHARS]!r}: use letters, digits and underscores, 128 at most, no digit first."
            )
        if "\0" in value:
            raise BadRequest(f"env has a NUL character in the value of {name}.")
    if sum(len(name) + len(value) for name, value in env.items()) > ENV_CHARS:
        raise BadRequest(f"env is over the limit of {ENV_CHARS} characters in all.")


def _check_path(field: str, text: str) -> Path:
    try:
        return parse_path(text.encode())
    except BadRequest as error:
        raise BadRequest(f"{field} has {text[:SHOWN_CHARS]!r}. {error.message}") from None


def _contents(name: str, value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    text = value.get("base64") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(text, str):
        raise BadRequest(f'files has {name[:SHOWN_CHARS]!r}: it must be a string, or an object {{"base64": "..."}}.')
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise BadRequest(f"files has {name[:SHOWN_CHARS]!r}, whose base64 can't be decoded: {error}.") from None


def _check_size(given: Given) -> None:
    if sum(len(data) for _, data in given.files) + len((given.stdin or "").encode()) > MAX_BYTES:
        raise TooLarge(
            f"files and stdin have more than {MAX_BYTES} bytes together: put large files into a session, with PUT."
        )

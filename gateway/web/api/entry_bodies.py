"""The bodies of requests about names in a work directory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict, JsonValue

from gateway.core.errors import BadRequest
from gateway.core.files import Path, parse_path
from gateway.web.api import patterns
from gateway.web.api.run_bodies import Body, read

_MODE: Final = re.compile(patterns.MODE)
_NOTHING: Final[JsonValue] = {"type": "null"}
_ONE_CHANGE: Final[JsonDict] = {"anyOf": [{"properties": {"path": _NOTHING}}, {"properties": {"mode": _NOTHING}}]}


class EntryBody(Body):
    """What to change about a name: its path, or its mode."""

    model_config = ConfigDict(json_schema_extra=_ONE_CHANGE)

    path: Annotated[
        Annotated[str, Field(json_schema_extra={"pattern": patterns.FILE})] | None,
        Field(description="the new path below the work directory, as text"),
    ] = None
    replace: Annotated[bool, Field(description="true or false: whether a file at the new path is replaced")] = False
    mode: Annotated[
        Annotated[str, Field(json_schema_extra={"pattern": patterns.MODE})] | None,
        Field(description="permission bits in octal as text, such as '0644'"),
    ] = None


@dataclass(frozen=True, slots=True)
class EntryChange:
    """What to change: the new path of a name, or its new permission bits, or nothing."""

    path: Path | None
    replaces: bool
    mode: int | None


def parse_change(body: bytes) -> EntryChange:
    """The change that *body* asks for; raises BadRequest."""
    asked = read(EntryBody, body)
    if asked.path is not None and asked.mode is not None:
        raise BadRequest("path and mode can't be changed by one request: send two.")
    return EntryChange(None if asked.path is None else _path(asked.path), asked.replace, _bits(asked.mode))


def _path(text: str) -> Path:
    try:
        return parse_path(text.encode())
    except BadRequest as error:
        raise BadRequest(f"path has {text[:40]!r}. {error.message}") from None


def _bits(text: str | None) -> int | None:
    if text is None:
        return None
    if not _MODE.fullmatch(text):
        raise BadRequest("mode must be permission bits in octal from '0000' to '0777'.")
    return int(text, 8)

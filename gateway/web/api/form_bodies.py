"""Bodies of runs sent as forms: each field is a part, and each part with a file name is a file. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from gateway.core.errors import BadRequest, TooLarge
from gateway.core.files import parse_path
from gateway.core.json_limits import REQUEST_VALUES
from gateway.core.strict_json import has_more_values
from gateway.web.api import multipart
from gateway.web.api.given import Uploads
from gateway.web.api.run_bodies import show

_TEXTS: Final = frozenset({"code", "expression", "stdin", "session", "format", "type"})
_LISTS: Final = frozenset({"fetchFiles", "include"})
MAX_FIELDS: Final = 50
MAX_TEXT_BYTES: Final = 32 * 1024 * 1024
"""A kernel takes no message that is much longer."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A body as JSON, and the files that came beside it."""

    body: bytes
    uploads: Uploads = ()


def is_form(content_type: str | None) -> bool:
    """Whether a body of this type is a form."""
    return (content_type or "").partition(";")[0].strip().lower() == "multipart/form-data"


def read_form(content_type: str | None, form: bytes, document: str = "") -> Sent:
    """The fields of *form* as a JSON object, and its files. A file of the part *document* is a field, in JSON.

    Fields of text are sent as they are, fetchFiles and include one entry a part, all others as JSON. Raises BadRequest.
    """
    parts = multipart.parse_form(content_type, form, multipart.MAX_FILES + MAX_FIELDS)
    fields = {name: _field(name, values) for name, values in parts.fields.items()}
    uploads = []
    for file in parts.files:
        if file.part == document:
            if document in fields:
                raise _several(document)
            fields[document] = _json(document, file.data)
        else:
            uploads.append((parse_path(file.name), file.data))
    body = b",".join(orjson.dumps(name) + b":" + value for name, value in fields.items())
    return Sent(b"{" + body + b"}", tuple(uploads))


def _field(name: str, values: Sequence[bytes]) -> bytes:
    """The JSON of one field."""
    if name in _LISTS:
        return orjson.dumps([_text(name, value) for value in values])
    if len(values) > 1:
        raise _several(name)
    if name not in _TEXTS:
        return _json(name, values[0])
    text = orjson.dumps(_text(name, values[0]))
    if len(text) > MAX_TEXT_BYTES:
        raise TooLarge(f"{show(name)} has more than {MAX_TEXT_BYTES} bytes in JSON, where control characters take six.")
    return text


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as flaw:
        raise BadRequest(f"{show(name)} is not UTF-8: bad byte at position {flaw.start}.") from None


def _json(name: str, value: bytes) -> bytes:
    if has_more_values(value, REQUEST_VALUES):
        raise TooLarge(f"{show(name)} has more than {REQUEST_VALUES} values.")
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"{show(name)} must be JSON in a form, such as 30000 or true: {error.msg}.") from None
    return value


def _several(name: str) -> BadRequest:
    return BadRequest(f"The form has more than one part {show(name)}.")

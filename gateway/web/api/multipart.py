"""Files in a multipart form, as browsers, curl and HTTP libraries send them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tornado.httputil import HTTPFile, HTTPInputError, ParseMultipartConfig, parse_multipart_form_data

from gateway.core import strict_json
from gateway.core.errors import BadRequest, UnsupportedMediaType
from gateway.core.files import Path, parse_path
from gateway.core.run_files import MAX_FILES, check_together

__all__ = ["MAX_FILES", "FormFile", "FormParts", "boundary_of", "parse_files", "parse_form"]

_BOUNDARY = re.compile(r"""boundary=("[^"]{1,200}"|[^\s;"]{1,200})""", re.IGNORECASE)
_ESCAPED = {"%22": '"', "%0D": "\r", "%0A": "\n", "%0d": "\r", "%0a": "\n"}
_ESCAPES = re.compile("|".join(_ESCAPED))


def boundary_of(content_type: str | None) -> bytes:
    """The boundary between parts; raises UnsupportedMediaType when the body is not a multipart form."""
    kind, _, parameters = (content_type or "").partition(";")
    found = _BOUNDARY.search(parameters)
    if kind.strip().lower() != "multipart/form-data" or found is None:
        raise UnsupportedMediaType(
            "Send files as 'Content-Type: multipart/form-data; boundary=...', or one by one with PUT."
        )
    return found[1].strip('"').encode("latin-1", "replace")


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file of a form: the name of its part, and its file name."""

    part: str
    name: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class FormParts:
    """The parts of a form without a file name, and those with one."""

    fields: Mapping[str, Sequence[bytes]]
    files: Sequence[FormFile]


def parse_files(content_type: str | None, body: bytes) -> list[tuple[Path, bytes]]:
    """The path and bytes of each file in *body*; raises BadRequest for the whole form when one of them is wrong.

    A part's ``filename`` is its path below the work directory. Parts without a file name are refused, and so are paths that
    can't all exist.
    """
    form = parse_form(content_type, body, MAX_FILES)
    if form.fields:
        raise BadRequest("The form has a part without a file name: send files only.")
    files = [(parse_path(file.name), file.data) for file in form.files]
    if not files:
        raise BadRequest("The form has no file.")
    check_together((path for path, _ in files), "The form")
    return files


def parse_form(content_type: str | None, body: bytes, most: int) -> FormParts:
    """The form in *body*, of at most *most* parts; raises BadRequest.

    Quotes and line breaks in file names, which HTML tells clients to escape, are unescaped.
    """
    found: dict[str, list[HTTPFile]] = {}
    fields: dict[str, list[bytes]] = {}
    boundary = boundary_of(content_type)
    if body.count(b"--" + boundary + b"\r\n") > most:
        raise BadRequest(f"The form has more than {most} {'files' if most == MAX_FILES else 'parts'}.")
    # Tornado counts what precedes the first boundary as a part too.
    config = ParseMultipartConfig(max_parts=most + 1, max_part_header_size=16 * 1024)
    try:
        parse_multipart_form_data(boundary, body, fields, found, config=config)
    except HTTPInputError as error:
        raise BadRequest(f"The form can't be read: {error}.") from None
    except (UnicodeError, ValueError, LookupError):
        raise BadRequest("The form can't be read: the header of a part is not UTF-8, or is malformed.") from None
    _check_names([*fields, *found])
    files = [FormFile(part, _name(file.filename), file.body) for part, parts in found.items() for file in parts]
    return FormParts(fields, files)


def _check_names(names: Iterable[str]) -> None:
    """Raise BadRequest for a part whose name is not text: half a character, as encodings that a part may name can have."""
    for name in names:
        if strict_json.clean_text(name) != name:
            raise BadRequest("The form can't be read: the name of a part has half a character.")


def _name(text: str) -> bytes:
    return _ESCAPES.sub(lambda found: _ESCAPED[found[0]], text).encode("utf-8", "surrogatepass")

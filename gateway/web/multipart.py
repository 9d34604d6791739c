"""Files in a multipart form, as browsers, curl and HTTP libraries send them. Pure."""

from __future__ import annotations

import re

from tornado.httputil import HTTPFile, HTTPInputError, ParseMultipartConfig, parse_multipart_form_data

from gateway.core.errors import BadRequest, UnsupportedMediaType
from gateway.core.files import Path, parse_path

MAX_FILES = 100
_CONFIG = ParseMultipartConfig(max_parts=MAX_FILES, max_part_header_size=16 * 1024)
_BOUNDARY = re.compile(r"""boundary=("[^"]{1,200}"|[^\s;"]{1,200})""", re.IGNORECASE)
_ESCAPED = {"%22": '"', "%0D": "\r", "%0A": "\n", "%0d": "\r", "%0a": "\n"}
_ESCAPES = re.compile("|".join(_ESCAPED))


def boundary_of(content_type: str | None) -> bytes:
    """What separates the parts; raises UnsupportedMediaType when the body is no multipart form."""
    kind, _, parameters = (content_type or "").partition(";")
    found = _BOUNDARY.search(parameters)
    if kind.strip().lower() != "multipart/form-data" or found is None:
        raise UnsupportedMediaType(
            "Files are sent as 'Content-Type: multipart/form-data; boundary=...', or one by one with PUT."
        )
    return found[1].strip('"').encode("latin-1", "replace")


def parse_files(content_type: str | None, body: bytes) -> list[tuple[Path, bytes]]:
    """Path and bytes of each file in *body*; raises BadRequest before anything is done with any of them.

    A part's ``filename`` is its path below the work directory. Where an HTTP library had to escape a quote or a line break
    in it, as HTML prescribes, that is undone; parts without a file name are refused.
    """
    found: dict[str, list[HTTPFile]] = {}
    fields: dict[str, list[bytes]] = {}
    try:
        parse_multipart_form_data(boundary_of(content_type), body, fields, found, config=_CONFIG)
    except HTTPInputError as error:
        raise BadRequest(f"The form can't be read: {error}.") from None
    except (UnicodeError, ValueError, LookupError):
        raise BadRequest("The form can't be read: the header of a part is not UTF-8, or is malformed.") from None
    if fields:
        raise BadRequest("The form has a part without a file name: send files only.")
    files = [(parse_path(_name(file.filename)), file.body) for parts in found.values() for file in parts]
    if not files:
        raise BadRequest("The form has no file.")
    return files


def _name(text: str) -> bytes:
    return _ESCAPES.sub(lambda found: _ESCAPED[found[0]], text).encode("utf-8", "surrogatepass")

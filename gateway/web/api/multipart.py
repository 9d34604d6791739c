"""Files in a multipart form, as browsers, curl and HTTP libraries send them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from tornado.httputil import HTTPFile, HTTPInputError, ParseMultipartConfig, parse_multipart_form_data

from gateway.core.errors import BadRequest, UnsupportedMediaType
from gateway.core.files import Path, parse_path
from gateway.web.api.file_names import text_of
from gateway.web.api.run_bodies import show

MAX_FILES = 100
# Tornado counts what precedes the first boundary as a part too.
_CONFIG = ParseMultipartConfig(max_parts=MAX_FILES + 1, max_part_header_size=16 * 1024)
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


def parse_files(content_type: str | None, body: bytes) -> list[tuple[Path, bytes]]:
    """The path and bytes of each file in *body*; raises BadRequest for the whole form when one of them is wrong.

    A part's ``filename`` is its path below the work directory. Quotes and line breaks, which HTML tells clients to escape,
    are unescaped. Parts without a file name are refused, and so are paths that can't all exist.
    """
    found: dict[str, list[HTTPFile]] = {}
    fields: dict[str, list[bytes]] = {}
    boundary = boundary_of(content_type)
    if body.count(b"--" + boundary + b"\r\n") > MAX_FILES:
        raise BadRequest(f"The form has more than {MAX_FILES} files.")
    try:
        parse_multipart_form_data(boundary, body, fields, found, config=_CONFIG)
    except HTTPInputError as error:
        raise BadRequest(f"The form can't be read: {error}.") from None
    except (UnicodeError, ValueError, LookupError):
        raise BadRequest("The form can't be read: the header of a part is not UTF-8, or is malformed.") from None
    if fields:
        raise BadRequest("The form has a part without a file name: send files only.")
    files = [(parse_path(_name(file.filename)), file.body) for parts in found.values() for file in parts]
    if not files:
        raise BadRequest("The form has no file.")
    _check_together(path for path, _ in files)
    return files


def _check_together(paths: Iterable[Path]) -> None:
    """Raise BadRequest when two of *paths* are the same, or one is a directory of another."""
    # In this order, the paths below a path follow it directly.
    for one, other in pairwise(sorted(path.split(b"/") for path in paths)):
        if one == other[: len(one)]:
            shown = show(text_of(b"/".join(one)))
            raise BadRequest(
                f"The form has more than one file named {shown}."
                if one == other
                else f"The form has a file named {shown} and another below that name."
            )


def _name(text: str) -> bytes:
    return _ESCAPES.sub(lambda found: _ESCAPED[found[0]], text).encode("utf-8", "surrogatepass")

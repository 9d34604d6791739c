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
# Tornado counts what stands before the first boundary as a part too.
_CONFIG = ParseMultipartConfig(max_parts=MAX_FILES + 1, max_part_header_size=16 * 1024)
_BOUNDARY = re.compile(r"""boundary=("[^"]{1,200}"|[^\s;"]{1,200})""", re.IGNORECASE)
_ESCAPED = {"%22": '"', "%0D": "\r", "%0A": "\n", "%0d": "\r", "%0a": "\n"}
_ESCAPES = re.compile("|".join(_ESCAPED))


def boundary_of(content_type: str | None) -> bytes:
    """What separates the parts; raises UnsupportedMediaType when the body is no multipart form."""
    kind, _, parameters = (content_type or "").partition(";")
    found = _BOUNDARY.search(parameters)
    if kind.strip().lower() != "multipart/form-data" or found is None:
        raise UnsupportedMediaType(
            "Send files as 'Content-Type: multipart/form-data; boundary=...', or one by one with PUT."
        )
    return found[1].strip('"').encode("latin-1", "replace")


def parse_files(content_type: str | None, body: bytes) -> list[tuple[Path, bytes]]:
    """Path and bytes of each file in *body*; raises BadRequest before anything is done with any of them.

    A part's ``filename`` is its path below the work directory. Where an HTTP library had to escape a quote or a line break
    in it, as HTML prescribes, that is undone. Parts without a file name are refused, and files that can't all be there.
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
    """Raise BadRequest when one of *paths* names the same file as another, or a directory of its."""
    # In this order, what is below a path comes directly after it.
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

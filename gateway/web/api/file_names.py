"""File names in addresses, answers and headers. Names are bytes; any of them can be named exactly. Pure."""

from __future__ import annotations

from urllib.parse import quote

_FALLBACK = "download"
_FALLBACK_CHARS = 100


def url_path(path: bytes) -> str:
    """*path* percent-encoded for an address: the one form that names every file exactly."""
    return quote(path, safe="/")


def text_of(path: bytes) -> str:
    """*path* for people: bytes that are not UTF-8 are shown as U+FFFD."""
    return path.decode("utf-8", "replace")


def disposition(path: bytes) -> str:
    """The Content-Disposition of a download: always an attachment, under the file's own name (RFC 6266).

    It has the name twice: in plain ASCII for old programs, and exactly. Bytes that are not UTF-8 become U+FFFD, as the
    header must be UTF-8 (RFC 8187). So nothing in a name can end the header or start another one.
    """
    name = text_of(path.rpartition(b"/")[2])
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in name)
    plain = plain[-_FALLBACK_CHARS:].lstrip(".-") or _FALLBACK
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"

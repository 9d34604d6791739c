"""Names of files in addresses, answers and headers: any bytes go in and come back right. Pure."""

from __future__ import annotations

from urllib.parse import quote

_FALLBACK = "download"
_FALLBACK_CHARS = 100


def url_path(path: bytes) -> str:
    """*path* as it stands in an address, percent-encoded; the one form in which every name can be told exactly."""
    return quote(path, safe="/")


def text_of(path: bytes) -> str:
    """*path* to be read by people; bytes that are no UTF-8 show as U+FFFD."""
    return path.decode("utf-8", "replace")


def disposition(path: bytes) -> str:
    """The Content-Disposition of a download: always an attachment, under the file's own name (RFC 6266).

    The name is there twice: as plain ASCII for old programs, and exactly. Bytes that are no UTF-8 are U+FFFD in it, as the
    header has to be UTF-8 (RFC 8187); so nothing in a name can end the header or start another one.
    """
    name = text_of(path.rpartition(b"/")[2])
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in name)
    plain = plain[-_FALLBACK_CHARS:].lstrip(".-") or _FALLBACK
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"

"""Parts of a file, and answers for clients that have it already (RFC 9110, sections 8.8, 13 and 14). Pure.

Several ranges in one request, other units and malformed headers are answered with the whole file, as the RFC allows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

SETTLED_S: Final = 1.0
"""A file that changed less than this ago may change again without a new time."""
_RANGE: Final = re.compile(r"bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*", re.ASCII | re.IGNORECASE)
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_MOST_CHARS: Final = 8192
_MOST_DIGITS: Final = 18
_LATEST_S: Final = 253_402_300_799
"""The end of the year 9999: code in a session can give a file any time."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a file is at the time *now_s*: its size and its last change, in nanoseconds since 1970."""

    size: int
    modified_ns: int
    now_s: float

    @property
    def is_settled(self) -> bool:
        """Whether another change would give it another tag."""
        return self.now_s - self.modified_ns / 1e9 >= SETTLED_S

    @property
    def tag(self) -> str:
        """Its ETag; a weak one as long as it is not settled."""
        return f'{"" if self.is_settled else "W/"}"{self.modified_ns & (2**64 - 1):x}-{self.size:x}"'

    @property
    def weak_tag(self) -> str:
        """Its ETag where the bytes sent are not its own, but stand for them (gzip): no part of them fits another."""
        return f"W/{self.tag.removeprefix('W/')}"

    @property
    def modified(self) -> str:
        """Its Last-Modified."""
        return datetime.fromtimestamp(self._seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")

    @property
    def _seconds(self) -> int:
        return min(max(self.modified_ns // 10**9, 0), _LATEST_S)

    def is_known(self, headers: Mapping[str, str]) -> bool:
        """Whether the client has it, by If-None-Match or, without that, by If-Modified-Since."""
        tags = headers.get("If-None-Match")
        if tags is not None:
            return tags.strip() == "*" or self.tag.removeprefix("W/") in _tags(tags)
        since = _seconds_of(headers.get("If-Modified-Since", ""))
        return since is not None and self._seconds <= since

    def may_be_continued(self, headers: Mapping[str, str]) -> bool:
        """Whether a part fits the parts that the client has, by If-Range; a weak tag or a time too close fits nothing."""
        wanted = headers.get("If-Range")
        return wanted is None or (self.is_settled and wanted.strip() in (self.tag, self.modified))


class Unsatisfiable(Exception):
    """The file has none of the bytes that are asked for."""


def wanted_part(header: str | None, size: int) -> range | None:
    """The numbers of the bytes that a Range *header* asks for; None for the whole file. Raises Unsatisfiable."""
    found = _RANGE.fullmatch(header[:_MOST_CHARS]) if header else None
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        count = min(_number(suffix), size)
        if not _number(suffix):
            raise Unsatisfiable
        return range(size - count, size) if size else None
    start, stop = _number(first), _number(last) + 1 if last else size
    if stop <= start and last:
        return None  # no valid range
    if start >= size:
        raise Unsatisfiable
    return range(start, min(stop, size))


def _number(digits: str) -> int:
    """*digits* as a number; a huge one as one beyond every file."""
    digits = digits.lstrip("0")
    return 10**_MOST_DIGITS if len(digits) > _MOST_DIGITS else int(digits or "0")


def _tags(header: str) -> list[str]:
    return [tag.removeprefix("W/") for tag in _TAG.findall(header[:_MOST_CHARS])]


def _seconds_of(date: str) -> float | None:
    try:
        when = parsedate_to_datetime(date[:100])
        return when.replace(tzinfo=when.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None

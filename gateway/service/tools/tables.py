"""Tables, lists of files and variables: what models send as data, and what they get to read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gateway.core.errors import BadRequest
from gateway.core.files import Listing
from gateway.core.json_limits import REQUEST_DEPTH, REQUEST_VALUES
from gateway.core.model import Json
from gateway.core.strict_json import has_more_values, is_deeper


def read(data: Any) -> tuple[str, Json]:
    """The format of *data* (records, columns or csv), and the table in that format. Text may be JSON of the former two."""
    if isinstance(data, str):
        if data.lstrip()[:1] not in ("[", "{"):
            return "csv", data
        data = _from_json(data)
    if isinstance(data, list):
        return "records", _records(data)
    return "columns", _columns(data)


def _from_json(text: str) -> Json:
    body = text.encode("utf-8", "replace")
    if has_more_values(body, REQUEST_VALUES):
        raise BadRequest(f"data has more than {REQUEST_VALUES} values.")
    try:
        value: Json = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"data looks like JSON, but is not: {error}.") from None
    if is_deeper(body, REQUEST_DEPTH):
        raise BadRequest(f"data is nested more than {REQUEST_DEPTH} levels deep.")
    return value


def _records(rows: list[Any]) -> Json:
    at = next((index for index, row in enumerate(rows) if not isinstance(row, dict)), None)
    if at is not None:
        raise BadRequest(f"data must be an array of objects, one a row; item {at} is none.")
    return rows


def _columns(columns: dict[str, Any]) -> Json:
    odd = next((name for name, column in columns.items() if not isinstance(column, list)), None)
    if odd is not None:
        raise BadRequest(f"data must be an object of arrays, one a column; {odd[:60]!r} is none.")
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise BadRequest(f"data has columns of different lengths: {min(lengths)} and {max(lengths)}.")
    return columns


def describe_variables(variables: Mapping[str, Json]) -> str:
    """A line a variable: its name, type, shape and preview."""
    return "\n".join(_variable(name, row) for name, row in variables.items()) or "(no variables)"


def _variable(name: str, row: Json) -> str:
    known = row if isinstance(row, Mapping) else {}
    shape = known.get("shape")
    size = f" {'x'.join(map(str, shape))}" if isinstance(shape, list) and shape else ""
    preview = known.get("preview")
    return f"{name}: {known.get('type', '?')}{size}{f' = {preview}' if preview else ''}"


def describe_files(listing: Listing) -> str:
    """A line a file: its path and size."""
    lines: Iterable[str] = (
        f"{entry.path.decode('utf-8', 'replace')} ({entry.size} bytes)" for entry in listing.entries if entry.kind == "file"
    )
    return "\n".join([*lines, *(["[and more]"] if listing.is_cut else [])]) or "(no files)"


def describe_content(head: bytes, size: int) -> str:
    """The beginning *head* of a file of *size* bytes, as text if it is text."""
    if b"\0" in head:
        return f"[{size} bytes that are no text: read them with code.]"
    rest = size - len(head)
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if not rest or error.start < len(head) - 3:
            return f"[{size} bytes that are no UTF-8 text: read them with code.]"
        text, rest = head[: error.start].decode(), size - error.start
    return f"{text}\n[{rest} bytes left out: read them with code.]" if rest else text

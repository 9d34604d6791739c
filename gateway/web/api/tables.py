"""The endpoint of tables: a part of a frame, series, array or list of records that a session has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.core import table_query
from gateway.core.errors import BadRequest, Conflict, GatewayError
from gateway.core.model import Json, Raised, Result
from gateway.core.request import RunRequest
from gateway.core.table_query import DEFAULT_COLUMNS, DEFAULT_ROWS, TableQuery, as_inputs
from gateway.core.tables import ColumnHead, Page, parse_answer
from gateway.steps import in_turns
from gateway.web.api import csv_pages, file_names
from gateway.web.api.answers import describe_raised
from gateway.web.api.runs import RunEndpoint
from gateway.web.edge.endpoint import Reply
from gateway.web.services import Answer

LOOK_S = 5.0
"""How long a kernel may take for it."""
PARAMETERS = ("rows", "columns", "sort", "where", "format")
ALL = "0:"
"""What CSV has without rows and columns: as many as have room."""
NO_TABLE = Raised("TableError", "The kernel answered with something that is no table.", "")


class SessionTablePage(RunEndpoint):
    """Gives a part of a table that a session has."""

    async def on_get(self) -> Answer | Reply:
        arguments = self.request.query_arguments
        wants_csv = csv_pages.is_asked_for(self.request.headers.get("Accept", ""), parse_format(arguments))
        query = parse_query(self.parts["name"], arguments, is_export=wants_csv)
        view = self.services.sessions.show(self.parts["session_id"], self.caller)
        if view.language != "python":
            raise Conflict(f"The session is a {view.language} session: only Python sessions have tables.")
        request = RunRequest("table", "", LOOK_S, as_inputs(query), session=view.id)
        result = await self.services.runner.run(self._submission(request))
        return await self._send_csv(page_of(result)) if wants_csv else describe_table(query.name, result)

    async def _send_csv(self, page: Page) -> Reply:
        """*page* as a file; what it leaves out is told by headers."""
        self.set_header("Content-Disposition", file_names.disposition(f"{self.parts['name'][:100]}.csv".encode()))
        self.set_header("X-Table-Matched", str(page.matched))
        self.set_header("X-Table-Rows", f"{page.start}:{page.start + len(page.data)}")
        self.set_header("X-Table-Cut", ",".join(page.cut) or "none")
        return Reply(await in_turns(csv_pages.document(page)), csv_pages.CONTENT_TYPE)


def parse_format(arguments: Mapping[str, Sequence[bytes]]) -> str | None:
    """The form of the answer that a query string asks for."""
    form = _argument(arguments, "format")
    if form not in (None, "json", "csv"):
        raise BadRequest(f"format must be json or csv, not {form[:40]!r}.")
    return form


def page_of(result: Result) -> Page:
    """The part of the table; raises the reason why there is none."""
    told = parse_answer(result.return_value) if result.error is None else None
    if isinstance(told, GatewayError):
        raise told
    if told is None:
        error = result.error or NO_TABLE
        raise Conflict(f"The table can't be read: {error.type}: {error.message}"[:1000])
    return told


def parse_query(name: str, arguments: Mapping[str, Sequence[bytes]], *, is_export: bool = False) -> TableQuery:
    """The part of the table *name* that a query string asks for; an export is of all that has room."""
    for given in arguments:
        if given not in PARAMETERS:
            raise BadRequest(f"Unknown parameter {given[:40]!r}: use {', '.join(PARAMETERS)}.")
    rows, columns, sort, where = (_argument(arguments, part) for part in PARAMETERS[:4])
    return TableQuery(
        name,
        table_query.parse_rows((ALL if is_export else DEFAULT_ROWS) if rows is None else rows),
        table_query.parse_columns((ALL if is_export else DEFAULT_COLUMNS) if columns is None else columns),
        () if sort is None else table_query.parse_sort(sort),
        () if where is None else table_query.parse_where(where),
    )


def _argument(arguments: Mapping[str, Sequence[bytes]], name: str) -> str | None:
    values = arguments.get(name, ())
    if len(values) > 1:
        raise BadRequest(f"{name} is given {len(values)} times: give it once.")
    try:
        return values[0].decode() if values else None
    except UnicodeDecodeError:
        raise BadRequest(f"{name} is not UTF-8.") from None


def describe_table(name: str, result: Result) -> Answer:
    """The answer: the part of the table, or, where the look at it failed, the error alone."""
    told = parse_answer(result.return_value) if result.error is None else None
    if isinstance(told, GatewayError):
        raise told
    error = result.error or (NO_TABLE if told is None else None)
    answer: Answer = {
        "success": told is not None,
        "error": describe_raised(error) if error else None,
        "name": name,
        "truncated": result.truncated or (told is not None and bool(told.cut)),
        "kernelReplaced": result.kernel_replaced,
    }
    return answer if told is None else answer | _describe_page(told)


def _describe_page(page: Page) -> dict[str, Json]:
    return {
        "type": page.kind,
        "shape": list(page.shape),
        "matched": page.matched,
        "start": page.start,
        "columns": [_describe_column(column) for column in page.columns],
        "index": [_describe_column(level) for level in page.index],
        "labels": page.labels,
        "data": page.data,
        "cut": list(page.cut),
    }


def _describe_column(column: ColumnHead) -> dict[str, Json]:
    position: dict[str, Json] = {} if column.position is None else {"position": column.position}
    return {"name": column.name, "type": column.type, **position}

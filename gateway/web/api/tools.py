"""The endpoints of tools: their definitions as agents' APIs take them, and the calls that models make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast, get_args

from gateway.core.errors import BadRequest
from gateway.core.model import Json
from gateway.service.tools import formats, openapi
from gateway.service.tools.content import MESSAGES, Content
from gateway.service.tools.formats import Format
from gateway.service.tools.pictures import Link
from gateway.service.tools.table import TOOLS, Tool, find
from gateway.service.tools.toolbox import ToolAnswer
from gateway.web.api.answers import describe_answer
from gateway.web.caller_limits import tool_call
from gateway.web.edge import json_answer
from gateway.web.edge.body import parse_object
from gateway.web.edge.endpoint import Endpoint, Reply
from gateway.web.services import Answer

ELSEWHERE = ("output", "stdout", "stderr", "results", "charts", "chart", "returnValue")
"""What the answer to a run has that the content of a tool's answer has already."""
CALL_ID_CHARS = 256


class ToolList(Endpoint):
    """Lists the tools, in the form that the API named in `format` takes."""

    async def on_get(self) -> Reply:
        form = parse_format(_query(self, "format") or "openai")
        return Reply(json_answer.document(formats.render(chosen(self.get_query_arguments("names")), form)))


class ToolsDescription(Endpoint):
    """Describes the tools alone as OpenAPI, for clients that make tools of its operations."""

    async def on_get(self) -> Answer:
        return openapi.describe(TOOLS.values(), self.services.settings.version)


class ToolCalls(Endpoint):
    """Calls one tool with the arguments in the body."""

    async def on_post(self) -> Answer:
        name, form, call_id = self.parts["name"], _query(self, "format"), _query(self, "call_id") or ""
        tells = MESSAGES[parse_format(form)] if form else None
        if len(call_id) > CALL_ID_CHARS:
            raise BadRequest(f"call_id must be text of at most {CALL_ID_CHARS} characters.")
        answer = await self.services.tools.call(tool_call(self, name, parse_object(self.body)))
        content = Content(name, call_id, answer.text, answer.images, answer.is_error)
        return {**describe_tool_answer(answer, content), **({"message": tells(content)} if tells else {})}


def describe_tool_answer(answer: ToolAnswer, content: Content) -> Answer:
    """The answer to a call, and what is known of its run beside its content."""
    run: Json = None
    if answer.request is not None and answer.result is not None:
        whole = describe_answer(answer.request, answer.result)
        run = {name: value for name, value in whole.items() if name not in ELSEWHERE}
    return {
        "success": not answer.is_error,
        "text": answer.text,
        "content": cast(list[Json], content.blocks()),
        "links": [describe_link(link) for link in answer.links],
        "isError": answer.is_error,
        "session": answer.session or None,
        "run": run,
    }


def describe_link(link: Link) -> dict[str, Json]:
    """A link to a picture in full, as the Model Context Protocol has it."""
    return {"uri": link.uri, "name": link.name, "mimeType": link.mime, "size": link.size_bytes}


def parse_format(text: str) -> Format:
    """The API named *text*."""
    if text not in get_args(Format):
        raise BadRequest(f"format must be one of {', '.join(get_args(Format))}, not {text[:40]!r}.")
    return cast(Format, text)


def chosen(lists: Sequence[str]) -> Iterable[Tool]:
    """The tools that *lists* name, by commas; all of them if there is no list. Raises NotFound."""
    if not lists:
        return TOOLS.values()
    return [find(name.strip()) for names in lists for name in names.split(",")]


def _query(endpoint: Endpoint, name: str) -> str | None:
    return endpoint.get_query_argument(name, None)

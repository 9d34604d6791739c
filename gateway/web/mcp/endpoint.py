"""The endpoint of the Model Context Protocol (Streamable HTTP): one POST a message, admitted like any other request."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from gateway.core.errors import BadRequest, Busy, GatewayError, Gone, NotFound, TooManyRequests, Unavailable
from gateway.core.mcp import FAILED
from gateway.core.model import Json
from gateway.core.request import RunRequest, Submission
from gateway.service.tools import formats
from gateway.service.tools.content import Content
from gateway.service.tools.table import TOOLS
from gateway.service.tools.toolbox import ToolAnswer, ToolCall
from gateway.web.caller_limits import CallerLimits, tool_call
from gateway.web.edge import failure, header_rules, json_answer
from gateway.web.edge.body import check_object, parse_value
from gateway.web.edge.endpoint import EVENT_STREAM, Endpoint, Reply, begin_events
from gateway.web.mcp import messages
from gateway.web.mcp.calls import Calls
from gateway.web.mcp.messages import ClientMessage, Id, RpcError
from gateway.web.mcp.resources import TEMPLATES, Resources

PROGRESS_S = 5.0
"""How often a client that wants to know is told that its call goes on: many give up after a minute of silence."""
LISTS_MS, SESSIONS_MS = 3_600_000, 0
"""How long clients may keep lists: that of tools changes with the gateway's version, that of resources at any time."""
SESSION_HEADER = "Mcp-Session-Id"
ACCEPTED = Reply(b"", status=202)
INSTRUCTIONS = (
    "Runs code in isolated kernels without network. Each call has a fresh kernel unless it names a session: "
    "'new' begins one, and its id goes on with its variables and files until it ends, some time after its last call."
)
CAPABILITIES: dict[str, Json] = {"tools": {}, "resources": {}}
PASSING = (Busy, TooManyRequests, Unavailable)
"""Failures that a later call may not meet: an agent reads of them instead of losing its connection."""

Method = Callable[[ClientMessage], Awaitable[Mapping[str, Json]]]


class McpEndpoint(Endpoint):
    """Speaks the Model Context Protocol: agents find and call the tools here."""

    _about: Id | None = None
    """The id of the request, once it is read."""

    async def on_post(self) -> Reply:
        try:
            message = messages.parse(self._decoded(), self.request.headers)
            if message is None or message.id is None:
                self._note(message)
                return ACCEPTED
            self._about = message.id
            return await self._answer(message)
        except RpcError as refused:
            return Reply(json_answer.document(messages.error_message(refused)), status=refused.status)

    def _decoded(self) -> Json:
        """The message, or a list, which is none; see messages.parse()."""
        try:
            value = parse_value(self.body)
            return value if isinstance(value, list) else check_object(value, self.body)
        except BadRequest as error:
            raise RpcError(messages.PARSE_ERROR, error.message) from None

    def _failure_body(self, error: GatewayError) -> bytes:
        return json_answer.document(messages.failure(error, self._about))

    # ---- notifications -----------------------------------------------------------------------------------------------

    def _note(self, message: ClientMessage | None) -> None:
        """Cancel what a legacy client wants cancelled; other notifications ask for nothing."""
        if message is not None and message.method == "notifications/cancelled":
            about = message.params.get("requestId")
            if isinstance(about, str | int):
                self._calls.cancel(self._key_of(about))

    @property
    def _calls(self) -> Calls:
        calls: Calls = self.settings["mcp_calls"]
        return calls

    def _key_of(self, about: Id) -> tuple[str, str, Id]:
        return (self.caller.key_id, self.request.headers.get(SESSION_HEADER, ""), about)

    # ---- requests ----------------------------------------------------------------------------------------------------

    async def _answer(self, message: ClientMessage) -> Reply:
        methods: Mapping[str, Method] = {
            "ping": self._ping,
            "tools/list": self._list_tools,
            "tools/call": self._call_tool,
            "resources/list": self._list_resources,
            "resources/templates/list": self._list_templates,
            "resources/read": self._read_resource,
            "server/discover" if message.is_modern else "initialize": self._discover
            if message.is_modern
            else self._shake_hands,
        }
        method = methods.get(message.method)
        if method is None:
            raise messages.unknown_method(message)
        if message.method == "tools/call" and message.progress_token is not None and self._takes_events():
            return await self._answer_in_events(message, method)
        return Reply(self._encode(message, await method(message)))

    def _encode(self, message: ClientMessage, result: Mapping[str, Json]) -> bytes:
        whole = messages.result_message(message, result, version=self.services.settings.version)
        return json_answer.document(whole)

    def _takes_events(self) -> bool:
        return header_rules.accepts(self.request.headers.get("Accept", ""), EVENT_STREAM)

    async def _answer_in_events(self, message: ClientMessage, method: Method) -> Reply:
        """The answer as the last of events; before it, every few seconds, that the call goes on."""
        begin_events(self)
        token = cast(Id, message.progress_token)
        work = asyncio.ensure_future(method(message))
        seconds = 0.0
        try:
            while not (await asyncio.wait([work], timeout=PROGRESS_S))[0]:
                seconds += PROGRESS_S
                await self.write_piece(_event(json_answer.dump(messages.progress_message(token, seconds))))
            await self.write_piece(_event(self._outcome(message, work, is_begun=seconds > 0)))
        finally:
            work.cancel()
            await asyncio.wait([work])  # it may have a session to end
        return Reply(b"", EVENT_STREAM)

    def _outcome(self, message: ClientMessage, work: asyncio.Future[Mapping[str, Json]], *, is_begun: bool) -> bytes:
        """The result, or why there is none. Once an answer is begun its status can't tell of a fault any more."""
        try:
            return self._encode(message, work.result())
        except RpcError as refused:
            return json_answer.dump(messages.error_message(refused))
        except Exception as error:  # any fault: the client would wait for the end of an answer that only breaks off
            if not is_begun:
                raise
            self.log_exception(type(error), error, error.__traceback__)
            return self._failure_body(failure.explain(500, error, self.run_id, self.allowed_methods()))

    async def _ping(self, _message: ClientMessage) -> Mapping[str, Json]:
        return {}

    async def _discover(self, _message: ClientMessage) -> Mapping[str, Json]:
        versions: list[Json] = [*messages.MODERN, *messages.LEGACY]
        told: dict[str, Json] = {"supportedVersions": versions, "capabilities": CAPABILITIES, "instructions": INSTRUCTIONS}
        return {**told, **_kept(LISTS_MS)}

    async def _shake_hands(self, message: ClientMessage) -> Mapping[str, Json]:
        """The handshake of the legacy era. The session header tells clients apart for cancelling, and for nothing else."""
        self.set_header(SESSION_HEADER, secrets.token_hex(16))
        wanted = message.params.get("protocolVersion")
        return {
            "protocolVersion": wanted if wanted in messages.LEGACY else messages.LEGACY[0],
            "capabilities": CAPABILITIES,
            "serverInfo": messages.server_info(self.services.settings.version),
            "instructions": INSTRUCTIONS,
        }

    # ---- tools -------------------------------------------------------------------------------------------------------

    async def _list_tools(self, _message: ClientMessage) -> Mapping[str, Json]:
        return {"tools": cast(list[Json], formats.render(TOOLS.values(), "mcp")), **_kept(LISTS_MS)}

    async def _call_tool(self, message: ClientMessage) -> Mapping[str, Json]:
        name, arguments = message.params.get("name"), message.params.get("arguments")
        if not isinstance(name, str) or name not in TOOLS:
            raise messages.invalid_params(message, f"Unknown tool: {name!r:.{messages.SHOWN_CHARS}}")
        if not isinstance(arguments, dict | None):
            raise messages.invalid_params(message, "arguments must be an object.")
        task = asyncio.ensure_future(self._carry_out(tool_call(self, name, arguments or {})))
        try:
            with self._calls.under_way(self._key_of(cast(Id, message.id)), task):
                answer = await task
        except asyncio.CancelledError:
            if task.cancelled() and not _is_cancelled():
                raise RpcError(FAILED, "The client cancelled the call.", status=200, about=message.id) from None
            raise
        finally:
            task.cancel()
        return {"content": _content(name, answer, message), "isError": answer.is_error}

    async def _carry_out(self, call: ToolCall) -> ToolAnswer:
        try:
            return await self.services.tools.call(call)
        except PASSING as error:
            again = "" if error.retry_after_s is None else f" Try again in {max(1, round(error.retry_after_s))} s."
            return ToolAnswer(error.message + again, is_error=True)

    # ---- resources ---------------------------------------------------------------------------------------------------

    def _resources(self) -> Resources:
        allowance = CallerLimits.of(self.services.settings, self.caller).allowance

        def submit(request: RunRequest) -> Submission:
            return Submission(request, self.caller, self.run_id, allowance)

        return Resources(self.services, self.caller, submit)

    async def _list_resources(self, _message: ClientMessage) -> Mapping[str, Json]:
        return {"resources": self._resources().listed(), **_kept(SESSIONS_MS)}

    async def _list_templates(self, _message: ClientMessage) -> Mapping[str, Json]:
        return {"resourceTemplates": TEMPLATES, **_kept(LISTS_MS)}

    async def _read_resource(self, message: ClientMessage) -> Mapping[str, Json]:
        uri = message.params.get("uri")
        if not isinstance(uri, str):
            raise messages.invalid_params(message, "uri must be a string.")
        try:
            contents = await self._resources().read(uri)
        except (NotFound, Gone) as error:
            raise messages.no_resource(message, error.message) from None
        except GatewayError as error:
            raise RpcError(FAILED, error.message, status=200, about=message.id) from None
        self._held.take(self._key_id, sum(map(_size, contents)))
        return {"contents": contents, **_kept(SESSIONS_MS)}


def _content(name: str, answer: ToolAnswer, message: ClientMessage) -> list[Json]:
    """Text and images, and for modern clients the links. Legacy ones have those in the text alone: the older of them do not
    know this kind of content, and some of the newer make it an image that the service of their model is to fetch.
    """
    blocks = cast(list[Json], Content(name, "", answer.text, answer.images, answer.is_error).blocks())
    return [*blocks, *map(messages.resource_link, answer.links)] if message.is_modern else blocks


def _size(contents: Json) -> int:
    """About how many bytes *contents* of a resource take in an answer."""
    return sum(len(part) for part in contents.values() if isinstance(part, str)) if isinstance(contents, dict) else 0


def _kept(milliseconds: int) -> dict[str, Json]:
    """How long a client may keep a list, and that it is for this caller alone."""
    return {"ttlMs": milliseconds, "cacheScope": "private"}


def _event(data: bytes) -> bytes:
    return b"event: message\ndata: %s\n\n" % data.rstrip(b"\n")


def _is_cancelled() -> bool:
    """Whether the request itself is cancelled, as when its client is gone."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

"""The messages of the Model Context Protocol: what a POST to /mcp may be, and what it is answered with. Pure.

Two eras are spoken. The modern one (2026-07-28) has no handshake: each request names its version in ``_meta`` and repeats in
headers what proxies look at. The legacy one (2025-11-25 and before) begins with ``initialize``.
Sections are those of the specification of 2026-07-28.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.core import mcp
from gateway.core.errors import GatewayError
from gateway.core.mcp import METHOD_HEADER, NAME_HEADER, NAMED_BY, PREFIX, VERSION_HEADER, VERSION_KEY, meta_of
from gateway.core.model import Json
from gateway.service.tools.pictures import Link

MODERN: Final = ("2026-07-28",)
LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
RESOURCE_NOT_FOUND = -32002
"""Of the legacy era; modern clients get INVALID_PARAMS ("Error Codes")."""
SHOWN_CHARS = 80

Id = str | int


class RpcError(Exception):
    """A message that is answered with a JSON-RPC error of *code*, and with *status* over HTTP."""

    def __init__(self, code: int, message: str, *, status: int = 400, data: Json = None, about: Id | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.data, self.about = code, message, status, data, about


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """One message of a client. *id* is None for a notification."""

    method: str
    params: Mapping[str, Json]
    id: Id | None
    is_modern: bool

    @property
    def progress_token(self) -> Id | None:
        """What the client wants progress to be told under, if anything."""
        token = meta_of(self.params).get("progressToken")
        return token if isinstance(token, str | int) and not isinstance(token, bool) else None


def parse(value: Json, headers: Mapping[str, str]) -> ClientMessage | None:
    """The message in the decoded body *value*; None for an answer, which nobody asked for. Raises RpcError."""
    if not isinstance(value, dict):
        raise RpcError(INVALID_REQUEST, "The body must be one JSON-RPC message: batches are not supported.")
    if value.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'The message must have "jsonrpc": "2.0".')
    if "method" not in value and ("result" in value or "error" in value):
        return None
    about = _id(value)
    method, params = value.get("method"), value.get("params", {})
    if not isinstance(method, str):
        raise RpcError(INVALID_REQUEST, "The message must have a method, which is a string.", about=about)
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "params must be an object.", about=about)
    message = ClientMessage(method, params, about, VERSION_KEY in meta_of(params))
    if about is not None:
        _check_headers(message, headers)
    return message


def _id(value: Mapping[str, Json]) -> Id | None:
    about = value.get("id")
    if "id" not in value:
        return None
    if isinstance(about, bool) or not isinstance(about, str | int):
        raise RpcError(INVALID_REQUEST, "The id must be a string or a whole number.")
    return about


def _check_headers(message: ClientMessage, headers: Mapping[str, str]) -> None:
    """Raise RpcError unless the headers say what the body says ("Server Validation")."""
    told = headers.get(VERSION_HEADER)
    if not message.is_modern:
        if told in MODERN:
            raise _mismatch(message, f"{VERSION_HEADER} is {told}, but the body has no {VERSION_KEY} in _meta")
        if told is not None and told not in LEGACY:
            raise _unsupported(message, told)
        return
    version = meta_of(message.params)[VERSION_KEY]
    if version not in MODERN:
        raise _unsupported(message, version)
    _compare(message, VERSION_HEADER, told, version)
    _compare(message, METHOD_HEADER, headers.get(METHOD_HEADER), message.method)
    if message.method in NAMED_BY:
        name = message.params.get(NAMED_BY[message.method])
        _compare(message, NAME_HEADER, _decoded(message, headers.get(NAME_HEADER)), name)


def _compare(message: ClientMessage, header: str, told: str | None, meant: Json) -> None:
    if told is None:
        raise _mismatch(message, f"the header {header} is missing")
    if told != meant:
        shown = repr(meant)[:SHOWN_CHARS]
        raise _mismatch(message, f"{header} is {told[:SHOWN_CHARS]!r}, but the body has {shown}")


def _decoded(message: ClientMessage, told: str | None) -> str | None:
    try:
        return None if told is None else mcp.decoded(told)
    except ValueError as error:
        raise _mismatch(message, f"{NAME_HEADER} is {error}") from None


def _mismatch(message: ClientMessage, what: str) -> RpcError:
    return RpcError(HEADER_MISMATCH, f"Header mismatch: {what}.", about=message.id)


def _unsupported(message: ClientMessage, version: Json) -> RpcError:
    supported: list[Json] = [*MODERN, *LEGACY]
    data: Json = {"supported": supported, "requested": version if isinstance(version, str) else None}
    return RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data=data, about=message.id)


def unknown_method(message: ClientMessage) -> RpcError:
    """The answer to a method that is not there: 404 in the modern era, for clients that look at the status."""
    text = f"Method not found: {message.method[:SHOWN_CHARS]}"
    return RpcError(METHOD_NOT_FOUND, text, status=404 if message.is_modern else 200, about=message.id)


def invalid_params(message: ClientMessage, text: str) -> RpcError:
    """The answer to parameters that are wrong."""
    return RpcError(INVALID_PARAMS, text, status=400 if message.is_modern else 200, about=message.id)


def no_resource(message: ClientMessage, text: str) -> RpcError:
    """The answer for a resource that is not there, or that is another key's."""
    code = INVALID_PARAMS if message.is_modern else RESOURCE_NOT_FOUND
    return RpcError(code, text, status=400 if message.is_modern else 200, about=message.id)


def failure(error: GatewayError, about: Id | None = None) -> dict[str, Json]:
    """A failure of the gateway as an answer."""
    return error_message(
        RpcError(mcp.FAILED, error.message, data={"type": type(error).__name__, "code": error.code}, about=about)
    )


def error_message(refused: RpcError) -> dict[str, Json]:
    """The answer to a message that is refused."""
    data: dict[str, Json] = {} if refused.data is None else {"data": refused.data}
    about: dict[str, Json] = {} if refused.about is None else {"id": refused.about}
    return {"jsonrpc": "2.0", **about, "error": {"code": refused.code, "message": refused.message, **data}}


def result_message(message: ClientMessage, result: Mapping[str, Json], *, version: str) -> dict[str, Json]:
    """The answer with *result*, as the message's era has it; *version* is the gateway's."""
    whole: dict[str, Json] = dict(result)
    if message.is_modern:
        whole = {"resultType": "complete", **result, "_meta": {PREFIX + "serverInfo": server_info(version)}}
    return {"jsonrpc": "2.0", "id": message.id, "result": whole}


def server_info(version: str) -> dict[str, Json]:
    """Who answers."""
    return {"name": "omega-gateway", "title": "Omega Gateway", "version": version}


def progress_message(token: Id, seconds: float) -> dict[str, Json]:
    """A notification that the request goes on."""
    params: dict[str, Json] = {"progressToken": token, "progress": seconds, "message": f"running for {seconds:.0f} s"}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def resource_link(link: Link) -> Json:
    """*link* as a block of content, for people rather than for models."""
    block: dict[str, Json] = {"type": "resource_link", "uri": link.uri, "name": link.name, "mimeType": link.mime}
    return {**block, "size": link.size_bytes, "annotations": {"audience": ["user"]}}

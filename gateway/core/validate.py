"""Parses a kernel's messages. User code may have written every part of them, so nothing is trusted.

Pure, and never raises on any decoded JSON. The result is a message of the documented form, repaired where no meaning
is lost (lone surrogates, non-finite numbers, integers beyond 64 bits), or None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, Literal

from gateway.core.call_message import CallMessage, parse_call
from gateway.core.files import parse_changes
from gateway.core.model import Display, Json, KernelReport, Raised
from gateway.core.run_files import parse_fetched
from gateway.core.strict_json import NONE, Budget, Count, TooMuch, clean, clean_text, size_bytes

Channel = Literal["shell", "iopub", "stdin", "control"]

MAX_ID_CHARS = 256
MAX_MIME_ENTRIES = 32
MAX_MIME_NAMES = 256
"""Maximum number of entries read from a bundle, well-formed or not."""
MAX_NAME_CHARS = 1024
MAX_ERROR_TEXT_CHARS = 64 * 1024
MARKUP_FACTOR = 4
"""An error text that exceeds its limit by this factor is shortened before its terminal codes are removed."""
MAX_TRACEBACK_LINES = 10_000
MAX_VARIABLES = 1_000
MAX_REPORT_BYTES = 1024 * 1024
MAX_VALUE_BYTES = 64 * 1024 * 1024
MAX_COUNT = 2**63 - 1
MAX_EXIT_CODE = 255

READ: Final[Mapping[Channel, frozenset[str]]] = {
    "iopub": frozenset(
        (
            "stream",
            "display_data",
            "execute_result",
            "update_display_data",
            "clear_output",
            "error",
            "status",
            "iopub_welcome",
            "omega_tool_call",
        )
    ),
    "shell": frozenset(("execute_reply",)),
    "control": frozenset(("interrupt_reply",)),
    "stdin": frozenset(),
}
"""The messages that the gateway reads. It does not decode the content of others."""

_MIME = re.compile(
    r"[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}(;[ -~]{1,128})?", re.ASCII
)
_TEXT_MIME = re.compile(r"(text|image|audio|video)/(?![^;]*\+json(;|$)).*", re.ASCII | re.IGNORECASE)
"""Types whose values are text, or bytes as base64. The value of any other type may be JSON: nobody knows them all."""
_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\^_])")
_CUT = "\n... {} characters left out ...\n"


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """A piece of stdout or stderr."""

    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A MIME bundle of *size_bytes*; *is_cut* if entries were dropped."""

    display: Display
    size_bytes: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Clear:
    """clear_output."""

    wait: bool


@dataclass(frozen=True, slots=True)
class ErrorMessage:
    """An ``error`` message; *is_cut* if its texts were shortened."""

    raised: Raised
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Status:
    """A ``status`` message."""

    state: Literal["busy", "idle", "starting"]


@dataclass(frozen=True, slots=True)
class ExecuteReply:
    """An execute_reply; *failure* is set if its status is error."""

    status: Literal["ok", "error", "aborted"]
    report: KernelReport = field(default_factory=KernelReport)
    failure: ErrorMessage | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Welcome:
    """iopub_welcome: the subscription is active, and no later message is lost."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """interrupt_reply: the signal was sent, so it cannot hit a later run."""


@dataclass(frozen=True, slots=True)
class UnreadMessage:
    """A message that would take too long to read; its content was not read."""


Body = (
    StreamMessage
    | Shown
    | Clear
    | ErrorMessage
    | Status
    | ExecuteReply
    | CallMessage
    | Welcome
    | Interrupted
    | UnreadMessage
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message that answers the request *parent_id* (empty for none); *count* is its number of values."""

    parent_id: str
    body: Body
    count: Count = NONE


@dataclass(frozen=True, slots=True)
class MessageHead:
    """The type of a message and the request it answers: enough to decide whether to read on."""

    type: str
    parent_id: str


def parse_head(header: object, parent: object) -> MessageHead | None:
    """The relevant fields of both headers, or None if they are malformed."""
    if not isinstance(header, dict) or not isinstance(parent, dict):
        return None
    kind, parent_id = header.get("msg_type"), parent.get("msg_id", "")
    if not isinstance(kind, str) or not isinstance(parent_id, str):
        return None
    if len(kind) > MAX_ID_CHARS or len(parent_id) > MAX_ID_CHARS:
        return None
    return MessageHead(kind, parent_id)


def parse_message(channel: Channel, head: MessageHead, metadata: object, content: object) -> Message | None:
    """The message, if its type is allowed on *channel* and it is well-formed; None otherwise.

    *metadata* is Unread if it was too large to read; the message is then incomplete.
    """
    if not isinstance(content, dict):
        return None
    body = _parse_body(channel, head.type, metadata, content)
    if isinstance(body, ExecuteReply) and isinstance(metadata, UnreadMessage):
        body = replace(body, is_cut=True)
    return None if body is None else Message(head.parent_id, body)


def _parse_body(channel: Channel, kind: str, metadata: object, content: dict[object, object]) -> Body | None:
    match channel, kind:
        case "iopub", "stream":
            return _parse_stream(content)
        case "iopub", "display_data" | "execute_result" | "update_display_data":
            return _parse_shown(kind, content)
        case "iopub", "clear_output":
            return Clear(content.get("wait") is True)
        case "iopub", "error":
            return _parse_failure(content)
        case "iopub", "status":
            return _parse_status(content)
        case "iopub", "omega_tool_call":
            return parse_call(content)
        case "iopub", "iopub_welcome":
            return Welcome()
        case "shell", "execute_reply":
            return _parse_reply(metadata, content)
        case "control", "interrupt_reply":
            return Interrupted()
        case _:
            return None


def _parse_stream(content: dict[object, object]) -> StreamMessage | None:
    name, text = content.get("name"), content.get("text")
    if not isinstance(text, str):
        return None
    if name == "stdout":
        return StreamMessage("stdout", clean_text(text))
    if name == "stderr":
        return StreamMessage("stderr", clean_text(text))
    return None


def _parse_shown(kind: str, content: dict[object, object]) -> Shown | None:
    data, transient = content.get("data"), content.get("transient")
    if not isinstance(data, dict):
        return None
    kept, is_cut = _clean_bundle(data)
    shape = _clean_mapping(content.get("metadata"))
    display_id = transient.get("display_id") if isinstance(transient, dict) else None
    display = Display(
        "result" if kind == "execute_result" else "display",
        kept,
        shape or {},
        clean_text(display_id)[:MAX_ID_CHARS] if isinstance(display_id, str) else "",
        updates=kind == "update_display_data",
    )
    size = size_bytes(kept) + size_bytes(display.metadata)
    return Shown(display, size, is_cut or shape is None)


def _clean_bundle(data: dict[object, object]) -> tuple[dict[str, Json], bool]:
    """The entries with a well-formed MIME type and value; and whether any was dropped."""
    kept: dict[str, Json] = {}
    for mime, value in islice(data.items(), MAX_MIME_NAMES):
        if len(kept) == MAX_MIME_ENTRIES:
            break
        if not isinstance(mime, str) or not _MIME.fullmatch(mime):
            continue
        if isinstance(value, str):
            kept[mime] = clean_text(value)
        elif not _TEXT_MIME.fullmatch(mime):
            try:
                kept[mime] = clean(value, Budget())
            except TooMuch:
                continue
    return kept, len(kept) < len(data)


def _clean_mapping(value: object) -> dict[str, Json] | None:
    """*value* if it is an object of strict JSON, an empty object if it is missing, None if it is too large."""
    try:
        cleaned = clean(value, Budget(MAX_REPORT_BYTES)) if isinstance(value, dict) else {}
    except TooMuch:
        return None
    return cleaned if isinstance(cleaned, dict) else {}


def _parse_failure(content: Mapping[object, object]) -> ErrorMessage:
    lines = content.get("traceback")
    texts = lines[:MAX_TRACEBACK_LINES] if isinstance(lines, list) else []
    said = (
        _text(content.get("ename")),
        _text(content.get("evalue")),
        "\n".join(map(_text, texts)),
        _text(content.get("hint")),
    )
    limits = (MAX_NAME_CHARS, MAX_ERROR_TEXT_CHARS, 4 * MAX_ERROR_TEXT_CHARS, MAX_NAME_CHARS)
    name, message, traceback, hint = [_plain(text, limit) for text, limit in zip(said, limits, strict=True)]
    is_cut = name[1] or message[1] or traceback[1] or hint[1] or (isinstance(lines, list) and len(lines) > len(texts))
    return ErrorMessage(Raised(name[0] or "Error", message[0], traceback[0], hint[0]), is_cut)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _plain(text: str, limit: int) -> tuple[str, bool]:
    """*text* without terminal codes, which must not reach logs and pages, and without its middle if it is too long;
    and whether it was. A text that is far too long is shortened first, because finding the codes takes time.
    """
    half = MARKUP_FACTOR * limit // 2
    near = text if len(text) <= 2 * half else text[:half] + text[-half:]
    plain = _ANSI.sub("", clean_text(near))
    shown = shorten(plain, limit, len(text) - len(near))
    return shown, shown is not plain


def shorten(text: str, limit: int, lost: int = 0) -> str:
    """*text* without its middle if it is longer than *limit* characters or has *lost* some already."""
    if len(text) <= limit and not lost:
        return text
    half = min(limit, len(text)) // 2
    return text[:half] + _CUT.format(len(text) - 2 * half + lost) + text[len(text) - half :]


def _parse_status(content: dict[object, object]) -> Status | None:
    match content.get("execution_state"):
        case "busy":
            return Status("busy")
        case "idle":
            return Status("idle")
        case "starting":
            return Status("starting")
        case _:
            return None


def _parse_reply(metadata: object, content: dict[object, object]) -> ExecuteReply | None:
    report, is_cut = _parse_report(metadata, content)
    match content.get("status"):
        case "ok":
            return ExecuteReply("ok", report, None, is_cut)
        case "error":
            failure = _parse_failure(content)
            return ExecuteReply("error", report, failure, is_cut or failure.is_cut)
        case "aborted" | "abort":
            return ExecuteReply("aborted", report, None, is_cut)
        case _:
            return None


def _parse_report(metadata: object, content: dict[object, object]) -> tuple[KernelReport, bool]:
    omega = metadata.get("omega") if isinstance(metadata, dict) else None
    said = omega if isinstance(omega, dict) else {}
    usage = said.get("usage")
    used = usage if isinstance(usage, dict) else {}
    variables, is_cut = _clean_variables(said.get("variables"))
    value, is_value_cut = _clean_value(said.get("return_value"))
    report = KernelReport(
        variables,
        _count(used.get("cpu_s")),
        int(_count(used.get("peak_bytes"))),
        int(_count(content.get("execution_count"))),
        _exit_code(said.get("exit_code")),
        *parse_changes(said.get("files")),
        value,
        said.get("is_last") is True,
        parse_fetched(said.get("fetched")),
    )
    return report, is_cut or is_value_cut or said.get("truncated") is True


def _clean_value(value: object) -> tuple[Json, bool]:
    """*value* as strict JSON; and whether it had to be dropped."""
    try:
        return clean(value, Budget(MAX_VALUE_BYTES)), False
    except TooMuch:
        return None, True


def _exit_code(value: object) -> int | None:
    """*value* if it is an exit status, otherwise None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_EXIT_CODE else None


def _clean_variables(value: object) -> tuple[dict[str, Json], bool]:
    """Name to description for as many variables as fit; and whether any was dropped."""
    if not isinstance(value, dict):
        return {}, value is not None
    kept: dict[str, Json] = {}
    budget = Budget(MAX_REPORT_BYTES)
    for name, description in list(value.items())[:MAX_VARIABLES]:
        if not isinstance(name, str) or len(name) > MAX_NAME_CHARS or not isinstance(description, dict):
            continue
        try:
            kept[clean_text(name)] = clean(description, budget)
        except TooMuch:
            break
    return kept, len(kept) < len(value)


def _count(value: object) -> float:
    """*value* if it is a number from 0 to 2**63 - 1, otherwise 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return value if 0 <= value <= MAX_COUNT else 0

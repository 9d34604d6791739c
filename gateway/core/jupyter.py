"""Jupyter messages that the gateway relays between a kernel and its clients: checked, otherwise unchanged. Pure.

User code may write a kernel's messages, and anyone with a token a client's. The gateway reads only their headers;
it checks that metadata and content are strict JSON objects of bounded size and passes them on as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from gateway.core import strict_json
from gateway.core.json_limits import RELAYED_VALUES
from gateway.core.strict_json import Budget, Steps, TooMuch, clean, counting, decode, has_more_values, run_out

Channel = Literal["shell", "iopub", "stdin", "control"]
ASKING: tuple[Channel, ...] = ("shell", "stdin", "control")
"""The channels a client may send on."""

MAX_HEADER_BYTES = 16 * 1024
MAX_ID_CHARS = 256
MAX_VALUES = RELAYED_VALUES
"""Maximum number of values in a message."""
MAX_BUFFERS = 1024
NO_PARENT = b"{}"
PROTOCOL = "5.3"
UNTRACKED = frozenset(
    {
        "comm_info_request",
        "comm_msg",
        "comm_open",
        "comm_close",
        "kernel_info_request",
        "interrupt_request",
        "shutdown_request",
    }
)
"""Requests that do not count as activity: they change neither the execution state nor the time of the last activity."""


class Malformed(ValueError):
    """Not a Jupyter message; the text gives the reason without quoting the message."""


class TooMany(Malformed):
    """A message of more than MAX_VALUES values."""


@dataclass(frozen=True, slots=True)
class Head:
    """The header fields that the gateway reads: id and type, the parent's id and type, and the session."""

    msg_id: str
    msg_type: str
    parent_id: str = ""
    parent_type: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class Relayed:
    """One message. The four parts are JSON objects as bytes.

    *state* is the execution state of a ``status`` message; *asks_restart* says that a ``shutdown_request`` is for a restart.
    """

    channel: Channel
    head: Head
    header: bytes
    parent: bytes
    metadata: bytes
    content: bytes
    buffers: tuple[bytes, ...] = ()
    state: str = ""
    asks_restart: bool = False

    @property
    def size_bytes(self) -> int:
        """The size of its parts and buffers."""
        parts = (self.header, self.parent, self.metadata, self.content, *self.buffers)
        return sum(map(len, parts))


def read(channel: Channel, parts: Sequence[bytes], buffers: Sequence[bytes] = ()) -> Relayed:
    """The message with these four parts and buffers; raises Malformed."""
    return run_out(reading(channel, parts, buffers))


def reading(channel: Channel, parts: Sequence[bytes], buffers: Sequence[bytes] = ()) -> Steps[Relayed]:
    """The same as read(), in steps for long messages."""
    if len(parts) != 4:
        raise Malformed("a message must have four parts")
    if len(buffers) > MAX_BUFFERS:
        raise Malformed("too many buffers")
    header, parent, metadata, content = parts
    if max(len(header), len(parent)) > MAX_HEADER_BYTES:
        raise Malformed("header too large")
    fields, parent, parent_fields = _object(header), *_strict(parent or NO_PARENT)
    head = Head(
        _id(fields.get("msg_id"), "msg_id"),
        _id(fields.get("msg_type"), "msg_type"),
        _loose_id(parent_fields.get("msg_id")),
        _loose_id(parent_fields.get("msg_type")),
        _loose_id(fields.get("session")),
    )
    yield from _weighing(metadata, content)
    metadata, _ = _strict(metadata or b"{}")
    content, values = _strict(content)
    state = _loose_id(values.get("execution_state")) if head.msg_type == "status" else ""
    asks_restart = head.msg_type == "shutdown_request" and values.get("restart") is True
    return Relayed(channel, head, header, parent, metadata, content, tuple(buffers), state, asks_restart)


def stand_in(header: bytes, parent: bytes) -> Relayed:
    """A line on stderr that replaces a kernel's message with TooMany values; raises Malformed."""
    fields = _object(header) | {"msg_type": "stream"}
    text = "[A message with too many values was dropped here.]\n"
    return read("iopub", [orjson.dumps(fields), parent, b"", orjson.dumps({"name": "stderr", "text": text})])


def compose(channel: Channel, head: Head, date: str, parent: bytes, content: Mapping[str, object]) -> Relayed:
    """A message from the gateway that answers the request with the header *parent* (NO_PARENT for none)."""
    header = {
        "msg_id": head.msg_id,
        "msg_type": head.msg_type,
        "username": "omega",
        "session": head.session,
        "date": date,
        "version": PROTOCOL,
    }
    state = str(content.get("execution_state", "")) if head.msg_type == "status" else ""
    return Relayed(channel, head, orjson.dumps(header), parent, b"{}", orjson.dumps(content), (), state)


def is_channel(name: object) -> bool:
    """Whether a client may send on the channel *name*."""
    return name in ASKING


def _id(value: object, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_CHARS:
        raise Malformed(f"the header's {name} must be a string of at most {MAX_ID_CHARS} characters")
    return value


def _loose_id(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= MAX_ID_CHARS else ""


def _weighing(*parts: bytes) -> Steps[None]:
    """Refuse a message that would take too long to read."""
    size = sum(map(len, parts))
    if size <= MAX_VALUES:
        return
    values = 0
    for part in parts:
        values += (yield from counting(part, MAX_VALUES)).values
    if values > MAX_VALUES:
        raise TooMany("too many values")
    yield size


def _object(data: bytes) -> dict[str, object]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise Malformed("not strict JSON") from None
    if not isinstance(value, dict):
        raise Malformed("not an object")
    return value


def _strict(data: bytes) -> tuple[bytes, dict[str, object]]:
    """*data* as strict JSON, and its object: the same bytes, unless NaN or a lone surrogate had to be replaced."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _repair(data)
    if not isinstance(value, dict):
        raise Malformed("not an object")
    return data, value


def _repair(data: bytes) -> tuple[bytes, dict[str, object]]:
    if has_more_values(data, strict_json.MAX_VALUES):  # it takes longer
        raise TooMany("too many values")
    try:
        value = clean(decode(data), Budget())
    except (ValueError, RecursionError, TooMuch):
        raise Malformed("not JSON") from None
    if not isinstance(value, dict):
        raise Malformed("not an object")
    return orjson.dumps(value), dict(value)

"""Signed Jupyter messages to and from wire frames, through one `jupyter_client` Session a kernel.

Signing and serialising requests are the Session's. Reading is done here because `Session.deserialize` trusts its peer: it
accepts NaN, parses dates, adapts versions and raises whatever those steps raise on hostile input. What takes long for a
message of megabytes is done in steps, and between them the event loop serves others.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

import orjson
from jupyter_client.session import DELIM, Session

from gateway.core import jupyter
from gateway.core.collect import UNREADABLE
from gateway.core.jupyter import Relayed
from gateway.core.strict_json import MAX_VALUES, STEP_BYTES, Count, Steps, counting, decoding, run_out
from gateway.core.validate import (
    READ,
    Channel,
    Message,
    MessageHead,
    UnreadMessage,
    parse_head,
    parse_message,
)
from gateway.kernel.wire.share import VALUE_COST

MAX_HEADER_BYTES: Final = 16 * 1024
MAX_FRAMES: Final = 64
"""Identities, six parts and buffers; messages of more frames are dropped unread."""
MAX_RELAYED_FRAMES: Final = jupyter.MAX_BUFFERS + 16
UNCOUNTED_BYTES: Final = 2048
"""Parts up to this size are not worth counting."""
USERNAME: Final = "omega"

Reading = Steps[Message | MessageHead | None]


class Codec:
    """Encodes requests to one kernel and decodes what it sends."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._session = Session(key=self._key, username=USERNAME, digest_history_size=0)

    def encode(self, kind: str, content: Mapping[str, object], metadata: Mapping[str, object]) -> tuple[str, list[bytes]]:
        """The id and the frames of a new request."""
        message = self._session.msg(kind, content=dict(content), metadata=dict(metadata))
        return message["msg_id"], self._session.serialize(message)

    def pack(self, kind: str, content: bytes) -> list[bytes]:
        """The frames of a new message whose *content* is JSON already."""
        header = self._session.msg_header(kind)
        parts = [self._session.pack(header), b"{}", b"{}", content]
        return [DELIM, self._session.sign(parts), *parts]

    def decode(self, channel: Channel, frames: Sequence[bytes], parent_id: str) -> Message | MessageHead | None:
        """The message in *frames* if it answers *parent_id*; its head if it does not; None if it is malformed.

        The content of a message that answers another request is not looked at.
        """
        return run_out(self.decoding(channel, frames, parent_id))

    def decoding(self, channel: Channel, frames: Sequence[bytes], parent_id: str) -> Reading:
        """Like decode(), in steps; a small message takes one."""
        parts = _strip_identities(frames)
        if parts is None or not (yield from self._checking(parts)):
            return None
        if max(len(parts[1]), len(parts[2])) > MAX_HEADER_BYTES:
            return None
        head = parse_head(_load_header(parts[1]), _load_header(parts[2]))
        if head is None or head.parent_id not in (parent_id, ""):
            return head
        if head.type not in READ[channel]:
            return None
        return (yield from _reading(channel, head, parts[3], parts[4]))

    def seal(self, message: Relayed) -> list[bytes]:
        """The frames of a client's message, signed with this kernel's key."""
        parts = [message.header, message.parent, message.metadata, message.content]
        return [DELIM, self._session.sign(parts), *parts, *message.buffers]

    def open(self, channel: Channel, frames: Sequence[bytes]) -> Relayed | None:
        """The message in *frames* to hand on to clients; None if it is malformed or not signed by the kernel."""
        return run_out(self.opening(channel, frames))

    def opening(self, channel: Channel, frames: Sequence[bytes]) -> Steps[Relayed | None]:
        """Like open(), in steps; a small message takes one.

        An iopub message of too many values is replaced by a line that says so.
        """
        parts = _strip_identities(frames, MAX_RELAYED_FRAMES)
        if parts is None or not (yield from self._checking(parts)):
            return None
        try:
            return (yield from jupyter.reading(channel, parts[1:5], parts[5:]))
        except jupyter.TooMany:
            return jupyter.stand_in(parts[1], parts[2]) if channel == "iopub" else None
        except jupyter.Malformed:
            return None

    def _checking(self, parts: Sequence[bytes]) -> Steps[bool]:
        """Whether the kernel signed *parts*."""
        signed = parts[1:5]
        if sum(map(len, signed)) <= STEP_BYTES:
            digest = hmac.digest(self._key, b"".join(signed), "sha256")
            return hmac.compare_digest(digest.hex().encode(), parts[0])
        auth = hmac.new(self._key, digestmod=sha256)
        for part in signed:
            for at in range(0, len(part), STEP_BYTES):
                auth.update(memoryview(part)[at : at + STEP_BYTES])
                yield STEP_BYTES
        return hmac.compare_digest(auth.hexdigest().encode(), parts[0])


def _reading(channel: Channel, head: MessageHead, metadata: bytes, content: bytes) -> Reading:
    """The message of these parts, which are counted before they are decoded; UnreadMessage for one of too many values."""
    counted, is_much = yield from _counting(content)
    is_reply = (channel, head.type) == ("shell", "execute_reply")
    if is_much:
        return Message(head.parent_id, UNREADABLE if is_reply else UnreadMessage())
    said: object = None
    if head.type == "execute_reply":  # nobody reads the metadata of other messages
        more, is_much = yield from _counting(metadata)
        if is_much:
            said = UnreadMessage()
        else:
            counted = Count(counted.containers + more.containers, counted.commas + more.commas)
            said = yield from _loading(metadata)
    value, cost = (yield from _loading(content)), len(content) + VALUE_COST * counted.values
    if cost > STEP_BYTES:
        yield cost
    message = parse_message(channel, head, said, value)
    if message is None:
        return Message(head.parent_id, UNREADABLE, counted) if is_reply else None
    return Message(message.parent_id, message.body, counted)


def _counting(data: bytes) -> Steps[tuple[Count, bool]]:
    """The Count of *data*, and whether that is too much to be read."""
    if len(data) <= UNCOUNTED_BYTES:
        return Count(), False
    counted = yield from counting(data, MAX_VALUES)
    return counted, counted.values > MAX_VALUES


def _strip_identities(frames: Sequence[bytes], most: int = MAX_FRAMES) -> Sequence[bytes] | None:
    """Signature, header, parent, metadata, content (and buffers), or None when that is not what came."""
    if len(frames) > most or DELIM not in frames:
        return None
    parts = frames[frames.index(DELIM) + 1 :]
    return parts if len(parts) >= 5 else None


def _load_header(data: bytes) -> object:
    """The JSON value in *data*, or None. Its numbers may lose precision: nobody reads numbers of headers."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return run_out(_loading(data))


def _loading(data: bytes) -> Steps[object]:
    """The JSON value in *data*, or None for a malformed part."""
    try:
        return (yield from decoding(data))
    except (ValueError, RecursionError):
        return None
